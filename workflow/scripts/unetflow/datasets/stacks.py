"""Stores of the pipeline that training reads: volumes (slices of a data set on one canvas) and chunks of samples."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import zarr

from .. import IGNORE, OBJECT
from ..errors import InputError
from ..images import ngff
from ..normalisation import moments, unlike
from ..tiles import mirror_index


@dataclass
class Slice:
    """One image of a data set as a reader found it.

    image number[y, x], or [c, y, x] if networks see several channels; labels int[y, x] (0 background, 1.. objects,
    `IGNORE` unknown) or None if not annotated;
    group: the stack, sequence or file it belongs to; part: "train", "test" for official test images, or "silver" for
    training slices whose labels nothing is to be judged by.
    markers int[y, x]: a mark (0 = none) on every object, also on those without an outline; None if there are none.
    classes uint8[y, x]: the class 1, 2, ... of each object's pixels, where a data set names classes; else None.
    voxel_size, unit: (z, y, x) and its unit as the file says them, or None.
    """

    name: str
    group: str
    image: np.ndarray
    labels: np.ndarray | None
    part: str = "train"
    markers: np.ndarray | None = None
    classes: np.ndarray | None = None
    voxel_size: tuple | None = None
    unit: str | None = None

    @property
    def shape(self):
        """(y, x)."""
        return self.image.shape[-2:]

    @property
    def channels(self):
        return 1 if self.image.ndim == 2 else len(self.image)


def moments_of_groups(slices):
    """dict group -> `moments` of the grey values of its slices."""
    images = {}
    for one in slices:
        images.setdefault(one.group, []).append(one.image)
    return {group: moments(found, slices[0].channels) for group, found in images.items()}


class Volume:
    """A prepared data set: slices of possibly different sizes, upper left on one canvas [z, y, x]; images of several
    channels on one [c, z, y, x]."""

    def __init__(self, path):
        self.path = Path(path)
        self.group = zarr.open_group(self.path, mode="r")
        self.meta = dict(self.group.attrs["unetflow"])
        self.names = [entry["name"] for entry in self.meta["slices"]]

    @cached_property
    def index(self):
        return {name: z for z, name in enumerate(self.names)}

    @property
    def channels(self):
        return 1 if self.group["0"].ndim == 3 else self.group["0"].shape[0]

    @property
    def objects(self):
        """Names of the classes of objects."""
        return tuple(self.meta["objects"])

    @property
    def normalisation(self):
        """`moments` of the data set, or None if each of its groups is normalised by its own."""
        return None if self.meta["normalisation"] == "group" else (self.meta["mean"], self.meta["sd"])

    def moments(self, name):
        """`moments` of the group that a slice belongs to."""
        entry = self.meta["slices"][self.index[name]]
        return entry["mean"], entry["sd"]

    def shape(self, name):
        """(y, x) of one slice."""
        return tuple(self.meta["slices"][self.index[name]]["shape"])

    def image(self, name, neighbours=0):
        """number[y, x], or [c, y, x] of several channels; with as many ``neighbours`` on either side, all of
        them as channels: slices of its group, which is mirrored at its ends. Raises InputError for a group of one."""
        if not neighbours:
            return self._slice("0", name)
        group = self.meta["slices"][self.index[name]]["group"]
        names = [one["name"] for one in self.meta["slices"] if one["group"] == group]
        if len(names) == 1:
            raise InputError(
                f"{name} is an image of its own, without slices above and below; take `neighbours` out of the samples"
            )
        places = mirror_index(names.index(name) - neighbours, 2 * neighbours + 1, len(names))
        return np.stack([self._slice("0", names[place]) for place in places]).reshape(-1, *self.shape(name))

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

    def classes(self, name):
        """uint8[y, x], the class 1, 2, ... of each object's pixels; None where all objects are of one class."""
        return self._slice("labels/classes/0", name) if len(self.objects) > 1 else None

    def _slice(self, array, name):
        height, width = self.shape(name)
        return self.group[array][..., self.index[name], :height, :width]


def own(image, neighbours):
    """The slice itself, [y, x] or [c, y, x], of an image that has its ``neighbours`` on either side as channels."""
    if not neighbours:
        return image
    slices = np.split(image, 2 * neighbours + 1)
    return slices[neighbours].squeeze(axis=0) if len(slices[0]) == 1 else slices[neighbours]


def write_volume(path, slices, voxel_size, unit, normalisation="auto", objects=(OBJECT,)):
    """Write ``slices`` as an OME-Zarr image with the label image "truth"; what else is known goes into attributes.

    normalisation : whose moments grey values are normalised by: "dataset", "group" or, for `unlike` groups, "auto".
    objects : names of the classes of objects; where there are several, the label image "classes" tells them apart.
    """
    canvas, channels = (len(slices), *map(max, zip(*(one.shape for one in slices)))), slices[0].channels
    names = [f"channel {k}" for k in range(channels)] if channels > 1 else None
    shape, dtype = (channels, *canvas) if names else canvas, np.result_type(*(one.image for one in slices))
    image = ngff.create_image(path, shape, dtype, voxel_size, unit, names)
    truth = ngff.create_labels(path, "truth", canvas, voxel_size, unit)
    if any(one.markers is not None for one in slices):
        markers = ngff.create_labels(path, "markers", canvas, voxel_size, unit)
    if len(objects) > 1:
        classes = ngff.create_labels(path, "classes", canvas, voxel_size, unit)
    for z, one in enumerate(slices):
        height, width = one.shape
        image[..., z, :height, :width] = one.image
        labels = np.full(canvas[1:], IGNORE, np.int32)
        if one.labels is not None:
            labels[:height, :width] = one.labels
        truth[z] = labels
        if one.markers is not None:
            markers[z, :height, :width] = one.markers
        if len(objects) > 1 and one.classes is not None:
            classes[z, :height, :width] = one.classes
    (mean, sd), of_groups = moments([one.image for one in slices], channels), moments_of_groups(slices)
    if normalisation == "auto":
        normalisation = "group" if unlike(of_groups.values()) else "dataset"
    zarr.open_group(path, mode="a").attrs["unetflow"] = {
        "normalisation": normalisation,
        "mean": mean,
        "sd": sd,
        "voxel_size": [float(v) for v in voxel_size],
        "unit": unit,
        "ignore": IGNORE,
        "objects": list(objects),
        "slices": [
            {
                "name": one.name,
                "group": one.group,
                "part": one.part,
                "shape": list(one.shape),
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
    """Write training samples: arrays (image, target, weight), [y, x] each, or image [c, y, x], with the drawings that
    made them.

    Image and weight are kept as float16: three digits are more than their grey values hold, at half the disk traffic.
    """
    dtypes = {"image": np.float16, "target": np.uint8, "weight": np.float16}
    shapes = {name: (len(samples), *array.shape) for name, array in zip(PARTS, samples[0])}
    group = ngff.create_plain(path, **{name: (shapes[name], dtypes[name]) for name in PARTS})
    group.attrs["draws"] = list(draws)
    for name, arrays in zip(PARTS, zip(*samples)):
        stack = np.stack(arrays, dtype=dtypes[name], casting="same_kind")
        ngff.open_quickly(Path(path, name)).write(stack).result()


class Samples:
    """The training samples of many chunks as one sequence of (image f32, target u8, weight f32), each [y, x]; images of
    several channels [c, y, x]."""

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
