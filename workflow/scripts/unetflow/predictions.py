"""What was predicted or found: of the slices of a data set by their names, of a volume window by window."""

import numpy as np
import zarr

from .images import ngff


class Prediction:
    """The predicted slices of a fold: probabilities [class, z, y, x] or objects [z, y, x], by slice name."""

    def __init__(self, path):
        group = zarr.open_group(path, mode="r")
        self.array, self.meta = group["0"], dict(group.attrs["unetflow"])
        self.names = [entry["name"] for entry in self.meta["slices"]]
        self.voxel_size, self.unit = ngff.spacing(group)
        self.channels = ngff.channel_names(group)

    def shape(self, name):
        """(y, x) of one slice."""
        return tuple(self.meta["slices"][self.names.index(name)]["shape"])

    def probability(self, name):
        """Probability of an object, float32[y, x]."""
        return self.channel("object", name)

    def inside(self, name):
        """Probability of being inside an object and not on its border, float32[y, x]; None if that is no class."""
        border = self.channel("border", name)
        return None if border is None else self.probability(name) - border

    def spread(self, name):
        """Standard deviation of the probability over views, float32[y, x]; None if it was not kept."""
        return self.channel("spread", name)

    def channel(self, kind, name):
        """One channel of a slice, float32[y, x]; None if it was not kept."""
        height, width = self.shape(name)
        if kind in self.channels:
            return self.array[self.channels.index(kind), self.names.index(name), :height, :width]

    def labels(self, name):
        """Objects, int32[y, x]."""
        height, width = self.shape(name)
        return self.array[self.names.index(name), :height, :width]


class VolumePrediction:
    """The prediction of a volume, in whatever way its probabilities are stored."""

    def __init__(self, path):
        group = zarr.open_group(path, mode="r")
        self.array, self.meta = group["0"], dict(group.attrs["unetflow"])
        self.voxel_size, self.unit = ngff.spacing(group)
        self.channels = ngff.channel_names(group)
        self.shape = self.array.shape[-3:]
        self.slices = self.meta["slices"]
        self.block = self.array.shards[-3:]

    def size(self, z):
        """(y, x) of the slice ``z``."""
        return self.slices[z]["shape"] if self.slices else self.shape[1:]

    def foreground(self, start, stop):
        """Probability of an object, float32[z, y, x] of a window; 0 where an image ends."""
        if self.meta["stored"] == "argmax":
            return (self.array[tuple(map(slice, start, stop))] == 1).astype(np.float32)
        return self.channel("object", start, stop)

    def inside(self, start, stop):
        """Probability of being inside an object and not on its border, float32[z, y, x] of a window."""
        return self.foreground(start, stop) - self.channel("border", start, stop)

    def spread(self, start, stop):
        """Standard deviation of the probability over views, float32[z, y, x] of a window; None if it was not kept."""
        return self.channel("spread", start, stop) if "spread" in self.channels else None

    def channel(self, kind, start, stop):
        values = self.array[(self.channels.index(kind), *map(slice, start, stop))].astype(np.float32)
        return values / np.float32(255) if self.meta["stored"] == "uint8" else values
