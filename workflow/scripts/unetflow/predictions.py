"""What was predicted or found: of the slices of a data set by their names, of a volume window by window."""

import numpy as np
import zarr

from . import BACKGROUND, BORDER, SPREAD
from .images import ngff


class Channels:
    """What follows from the probabilities of all classes: those of an array here, ``found`` float[channel, ...].

    channels : names of the channels. The methods take what ``channel`` takes after a name: nothing here, a slice's name
    in a `Prediction`, start and stop of a window in a `VolumePrediction`.
    """

    def __init__(self, found, channels):
        self.found, self.channels = found, channels

    def channel(self, kind):
        """One channel, float[...]."""
        return self.found[self.channels.index(kind)]

    @property
    def objects(self):
        """Names of the classes of objects."""
        return [kind for kind in self.channels if kind not in (BACKGROUND, BORDER, SPREAD)]

    def foreground(self, *where):
        """Probability of an object, of whatever class, with its border."""
        kinds = [kind for kind in self.channels if kind not in (BACKGROUND, SPREAD)]
        return sum((self.channel(kind, *where) for kind in kinds[1:]), self.channel(kinds[0], *where))

    def chances(self, *where):
        """dict name -> probability of each class of objects, of the only one with its border."""
        if len(self.objects) == 1:
            return {self.objects[0]: self.foreground(*where)}
        return {kind: self.channel(kind, *where) for kind in self.objects}

    def inside(self, *where):
        """Probability of being inside an object and not on its border; None if that is no class of its own."""
        return self.channel(*self.objects, *where) if BORDER in self.channels else None

    def classes(self, *where):
        """The most probable class of objects, int[...] from 1; None where there is only one."""
        if len(self.objects) > 1:
            return 1 + np.argmax(list(self.chances(*where).values()), axis=0)

    def spread(self, *where):
        """Standard deviation of the probability over views; None if it was not kept."""
        return self.channel(SPREAD, *where) if SPREAD in self.channels else None


class Prediction(Channels):
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

    def channel(self, kind, name):
        """One channel of a slice, float32[y, x]."""
        height, width = self.shape(name)
        return self.array[self.channels.index(kind), self.names.index(name), :height, :width]

    def labels(self, name, number=None):
        """Objects, int32[y, x]; those of the class ``number`` alone, if it is given."""
        (height, width), z = self.shape(name), self.names.index(name)
        labels = self.array[z, :height, :width]
        return labels if number is None else of_class(labels, self.meta["objects"][z], number)


def class_of(objects, counts):
    """Place of the class, from 0, of each of ``objects`` int[n]; counts as for `of_class`."""
    return np.searchsorted(np.cumsum(counts), objects)


def of_class(labels, counts, number):
    """``labels`` int[...] with those of the class ``number`` (from 1) alone.

    counts : the number of objects of each class; those of a class are numbered before those of the next.
    """
    first = sum(counts[: number - 1])
    return np.where((labels > first) & (labels <= first + counts[number - 1]), labels, 0)


class VolumePrediction(Channels):
    """The prediction of a volume, in whatever way its probabilities are stored; windows are [z, y, x]."""

    def __init__(self, path):
        group = zarr.open_group(path, mode="r")
        self.array, self.meta = group["0"], dict(group.attrs["unetflow"])
        self.voxel_size, self.unit = ngff.spacing(group)
        self.channels = ngff.channel_names(group) or self.meta["classes"]
        self.shape = self.array.shape[-3:]
        self.slices = self.meta["slices"]
        self.block = self.array.shards[-3:]

    def size(self, z):
        """(y, x) of the slice ``z``."""
        return self.slices[z]["shape"] if self.slices else self.shape[1:]

    def channel(self, kind, start, stop):
        """One channel of a window, float32[z, y, x]; 0 where an image ends."""
        number, window = self.channels.index(kind), tuple(map(slice, start, stop))
        if self.meta["stored"] == "argmax":
            return (self.array[window] == number).astype(np.float32)
        values = self.array[(number, *window)].astype(np.float32)
        return values / np.float32(255) if self.meta["stored"] == "uint8" else values
