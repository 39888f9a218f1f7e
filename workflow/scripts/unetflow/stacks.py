"""Stores of the pipeline: volumes (slices of a data set on one canvas), training chunks, predictions."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import zarr

from . import IGNORE, ngff
from .normalisation import moments, unlike


@dataclass
class Slice:
    """One image of a data set as a reader found it.

    image number[y, x]; labels int[y, x] (0 background, 1.. objects, `IGNORE` unknown) or None if not annotated;
    group: the stack, sequence or file it belongs to; part: "train", "test" for official test images, or "silver" for
    training slices whose labels nothing is to be judged by.
    markers int[y, x]: a mark (0 = none) on every object, also on those without an outline; None if there are none.
    """

    name: str
    group: str
    image: np.ndarray
    labels: np.ndarray | None
    part: str = "train"
    markers: np.ndarray | None = None


def moments_of_groups(slices):
    """dict group -> (mean, sd) of the grey values of its slices."""
    images = {}
    for one in slices:
        images.setdefault(one.group, []).append(one.image)
    return {group: moments(found) for group, found in images.items()}


class Volume:
    """A prepared data set: slices of possibly different sizes, upper left on one canvas [z, y, x]."""

    def __init__(self, path):
        self.path = Path(path)
        self.group = zarr.open_group(self.path, mode="r")
        self.meta = dict(self.group.attrs["unetflow"])
        self.names = [entry["name"] for entry in self.meta["slices"]]

    @cached_property
    def index(self):
        return {name: z for z, name in enumerate(self.names)}

    @property
    def normalisation(self):
        """(mean, sd) of the data set, or None if each of its groups is normalised by its own `moments`."""
        return None if self.meta["normalisation"] == "group" else (self.meta["mean"], self.meta["sd"])

    def moments(self, name):
        """(mean, sd) of the group that a slice belongs to."""
        entry = self.meta["slices"][self.index[name]]
        return entry["mean"], entry["sd"]

    def shape(self, name):
        """(y, x) of one slice."""
        return tuple(self.meta["slices"][self.index[name]]["shape"])

    def image(self, name):
        return self._slice("0", name)

    def labels(self, name):
        """int32[y, x], or None if the slice is not annotated."""
        if not self.meta["slices"][self.index[name]]["annotated"]:
            return None
        return self._slice("labels/truth/0", name)

    def markers(self, name):
        """int32[y, x] marks of all objects; the labels themselves where the data set has no marks of its own."""
        if not self.meta["slices"][self.index[name]]["marked"]:
            return self.labels(name)
        return self._slice("labels/markers/0", name)

    def _slice(self, array, name):
        height, width = self.shape(name)
        return self.group[array][self.index[name], :height, :width]


def write_volume(path, slices, voxel_size, unit, normalisation="auto"):
    """Write ``slices`` as an OME-Zarr image with the label image "truth"; what else is known goes into attributes.

    normalisation : whose moments grey values are normalised by: "dataset", "group" or, for `unlike` groups, "auto".
    """
    canvas = (len(slices), *(max(one.image.shape[axis] for one in slices) for axis in (0, 1)))
    image = ngff.create_image(path, canvas, np.result_type(*(one.image for one in slices)), voxel_size, unit)
    truth = ngff.create_labels(path, "truth", canvas, voxel_size, unit)
    if any(one.markers is not None for one in slices):
        markers = ngff.create_labels(path, "markers", canvas, voxel_size, unit)
    for z, one in enumerate(slices):
        height, width = one.image.shape
        image[z, :height, :width] = one.image
        labels = np.full(canvas[1:], IGNORE, np.int32)
        if one.labels is not None:
            labels[:height, :width] = one.labels
        truth[z] = labels
        if one.markers is not None:
            markers[z, :height, :width] = one.markers
    (mean, sd), of_groups = moments([one.image for one in slices]), moments_of_groups(slices)
    if normalisation == "auto":
        normalisation = "group" if unlike(of_groups.values()) else "dataset"
    zarr.open_group(path, mode="a").attrs["unetflow"] = {
        "normalisation": normalisation,
        "mean": mean,
        "sd": sd,
        "voxel_size": [float(v) for v in voxel_size],
        "unit": unit,
        "ignore": IGNORE,
        "slices": [
            {
                "name": one.name,
                "group": one.group,
                "part": one.part,
                "shape": list(one.image.shape),
                "annotated": one.labels is not None,
                "marked": one.markers is not None,
                "mean": of_groups[one.group][0],
                "sd": of_groups[one.group][1],
            }
            for one in slices
        ],
    }


PARTS = "image", "target", "weight"  # of a training sample


def write_chunk(path, samples, draws):
    """Write training samples: (image, target, weight) arrays of one shape, with the drawings that made them.

    Image and weight are kept as float16: three digits are more than their grey values hold, at half the disk traffic.
    """
    size = samples[0][0].shape
    shape = (len(samples), *size)
    group = ngff.create_plain(path, image=(shape, np.float16), target=(shape, np.uint8), weight=(shape, np.float16))
    group.attrs["draws"] = list(draws)
    for name, arrays in zip(PARTS, zip(*samples)):
        stack = np.stack(arrays).astype(group[name].dtype)
        ngff.open_quickly(Path(path, name)).write(stack).result()


class Samples:
    """The training samples of many chunks as one sequence of (image f32, target u8, weight f32), each [y, x]."""

    def __init__(self, paths):
        self.arrays = [[ngff.open_quickly(Path(path, name)) for name in PARTS] for path in paths]
        self.where = [(chunk, i) for chunk, arrays in enumerate(self.arrays) for i in range(arrays[0].shape[0])]

    def __len__(self):
        return len(self.where)

    def __getitem__(self, index):
        chunk, i = self.where[index]
        reading = [array[i].read() for array in self.arrays[chunk]]
        image, target, weight = (array.result() for array in reading)
        return image.astype(np.float32), target, weight.astype(np.float32)


def read_split(path, fold):
    """The split of one fold: dict of "train", "validation", "test", "guard" -> slice names."""
    return json.loads(Path(path).read_text())[str(fold)]


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
