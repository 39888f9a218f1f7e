"""Volumes where they lie, read window by window: OME-Zarr, Zarr, N5, TIFF, HDF5, also behind a URL; PNG, JPEG, BMP.

Whatever the order of its axes, a volume is read as [z, y, x], with one of its channels and time points, or as
[z, c, y, x] with several channels. Nothing but the windows asked for is ever loaded.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..normalisation import moments
from .axes import channels_of, check_axes
from .formats import HDF5_ENDINGS, PICTURES, TIFF_ENDINGS, Parts
from .hdf5 import open_hdf5
from .image_files import check_lossless, open_slices, open_tiff
from .microscopes import MICROSCOPES
from .stores import PRECOMPUTED, open_n5, open_precomputed, open_zarr

MIDDLE = 256  # voxels along y and x that a volume is looked at by
SMALL = 2**24  # voxels of a volume that is looked at as a whole
SPREAD = (8, 4, 4)  # places along z, y, x at which a larger one is
OPENED_BY = dict.fromkeys(TIFF_ENDINGS, open_tiff) | dict.fromkeys(HDF5_ENDINGS, open_hdf5) | MICROSCOPES
OPENED_BY |= {".n5": open_n5}


@dataclass
class Source:
    """A volume that can be read in windows.

    array : anything with shape, dtype and slices. axes : one letter per axis of it, of "tczyx" in any order.
    fixed : index of the axes that are not space, of several channels a list. voxel_size : (z, y, x) in ``unit``, or
    None if unknown. in_file : (voxel size, unit) as the file says them, either of which may be None.
    files : name of the file of every slice, where each has its own; sizes : (y, x) of the image in it, which lies upper
    left. opened : arguments of `open_source`, with which other processes open the volume anew.
    """

    name: str
    array: object
    axes: str
    fixed: dict
    voxel_size: tuple | None = None
    unit: str | None = None
    files: tuple = ()
    sizes: tuple = ()
    opened: tuple = ()
    in_file: tuple = field(default=(None, None), init=False, repr=False)
    seen: dict = field(default_factory=dict, init=False, repr=False)

    def __reduce__(self):
        parts = self.name, self.array, self.axes, self.fixed, self.voxel_size, self.unit, self.files, self.sizes
        return (open_source, self.opened) if self.opened else (Source, parts)

    @cached_property
    def shape(self):
        """(z, y, x) in voxels; z is 1 for a single image."""
        return tuple(self.array.shape[self.axes.index(a)] if a in self.axes else 1 for a in "zyx")

    @property
    def dtype(self):
        return np.dtype(self.array.dtype)

    @property
    def channels(self):
        """How many channels a window has."""
        return np.size(self.fixed.get("c"))

    @property
    def channel_range(self):
        """All channels from the first to the last that is read: not every kind of array takes a list of them."""
        chosen = self.fixed.get("c") or 0
        return range(np.min(chosen), np.max(chosen) + 1)

    def size(self, z):
        """(y, x) of the slice ``z``: less than the volume's where images are of different sizes."""
        return self.sizes[z] if self.sizes else self.shape[1:]

    @property
    def slices(self):
        """What stores of ours say of each slice that is an image of its own, as `stacks.write_volume` does."""
        return [{"name": str(Path(f).with_suffix("")), "shape": size} for f, size in zip(self.files, self.sizes)]

    def middle(self, slices=1):
        """The middle of the volume [z, ..., y, x]: up to ``slices`` slices, `MIDDLE` voxels per side."""
        most = (slices, MIDDLE, MIDDLE)
        low = [max(0, (size - side) // 2) for size, side in zip(self.shape, most)]
        return self.read(low, [min(a + side, size) for a, size, side in zip(low, self.shape, most)])

    def sample(self):
        """Windows [z, ..., y, x], one after the other, that stand for the volume: all slices of a small one, or else
        places spread evenly over it, each of a slice and `MIDDLE` voxels per side."""
        if prod(self.shape) <= SMALL:
            ranges = spread(self.shape[0], self.shape[0], 1), *([(0, size)] for size in self.shape[1:])
        else:
            ranges = map(spread, self.shape, SPREAD, (1, MIDDLE, MIDDLE))
        for window in product(*ranges):
            low, high = zip(*window)
            high = (high[0], *map(min, high[1:], self.size(low[0])))
            if all(a < b for a, b in zip(low, high)):
                yield self.read(low, high)

    def moments_of_slice(self, z):
        """`moments` of the slice ``z``, which is read as a whole, once."""
        if z not in self.seen:
            (image,) = self.read((z, 0, 0), (z + 1, *self.size(z)))
            rows = range(0, image.shape[-2], MIDDLE)
            self.seen[z] = moments((image[..., y : y + MIDDLE, :] for y in rows), self.channels)
        return self.seen[z]

    def read(self, start, stop):
        """The window from ``start`` to ``stop`` (both z, y, x, within the volume) as an array [z, y, x], of several
        channels [z, c, y, x]."""
        ranges = {axis: slice(int(a), int(b)) for axis, a, b in zip("zyx", start, stop)}
        if self.channels > 1:
            ranges["c"] = slice(self.channel_range.start, self.channel_range.stop)
        index = tuple(ranges[axis] if axis in ranges else self.fixed[axis] for axis in self.axes)
        try:
            window = np.asarray(self.array[index])
        except Exception as error:  # whatever a decoder or a server raises, the user's remedy is the same
            raise InputError(
                f"{self.name} can't be read from {tuple(map(int, start))} to {tuple(map(int, stop))} ({error}); it is "
                f"damaged or out of reach: copy it again, and run the same command, which goes on from there"
            ) from error
        kept = [axis for axis in self.axes if axis in ranges]
        if "z" not in kept:
            window, kept = window[None], ["z", *kept]
        window = window.transpose([kept.index(axis) for axis in "zcyx" if axis in kept])
        return window[:, np.array(self.fixed["c"]) - ranges["c"].start] if "c" in kept else window


def spread(size, count, side):
    """``count`` ranges (start, stop) of ``side``, each in the middle of one of as many parts of ``size``; one range of
    all of it if they would overlap."""
    if size < count * side:
        return [(0, size)]
    starts = [int((k + 0.5) * size / count - side / 2) for k in range(count)]
    return [(start, start + side) for start in starts]


def open_source(path, array=None, axes=None, channel=None, time=None, voxel_size=None, unit=None):
    """Open a volume without reading it.

    Parameters
    ----------
    path : a Zarr or N5 store, an HDF5 or image file (TIFF, PNG, JPEG, BMP), a pattern (``*``) of images, or the URL of
        a store, a TIFF or an HDF5 file; a list of such, with a channel each.
    array : name of the array within the store or file, where it isn't the only one or the full resolution of an image.
    axes, voxel_size, unit : what they are, where the file doesn't say, or says it wrong.
    channel, time : which one to read, from 0, where there are several; of channels maybe a list.

    Returns
    -------
    Source.

    Raises InputError, naming the remedy, for what can't be opened, isn't a volume, or doesn't say what its axes are.
    """
    if isinstance(path, list) and isinstance(channel, int):
        return open_source(path[channel], array, axes, None, time, voxel_size, unit)
    if isinstance(path, list):
        opened, apart, channel = open_channels(path, array), "c", channels_of(path, channel)
    else:
        opened, apart = open_any(path, array), ""
    source = Source(opened.name, opened.array, apart + (axes or opened.axes).lower(), {"t": time, "c": channel})
    check_axes(source)
    source.fixed = {axis: index or 0 for axis, index in source.fixed.items()}
    source.voxel_size = tuple(float(v) for v in voxel_size) if voxel_size else opened.voxel_size
    source.unit = unit or opened.unit
    source.in_file = opened.voxel_size, opened.unit
    if opened.files and source.axes.removeprefix(apart)[0] == "z":
        y, x = (source.axes.removeprefix(apart).index(axis) - 1 for axis in "yx")
        source.files, source.sizes = opened.files, tuple((shape[y], shape[x]) for shape in opened.shapes)
    elif len(set(opened.shapes)) > 1:
        raise InputError(
            f"{opened.name} holds images of different sizes along {source.axes[0]}; name the one that is meant in "
            f"`path`"
        )
    source.opened = (path, array, axes, channel, time, voxel_size, unit)
    return source


def open_channels(paths, name):
    """What `open_any` returns of several files, stores or patterns with a channel each, as one array [c, ...]; without
    the axis in ``axes``. Raises InputError unless they are alike."""
    first, *others = opened = [open_any(path, name) for path in paths]
    for one in others:
        if (one.axes, one.array.shape, one.shapes) != (first.axes, first.array.shape, first.shapes):
            raise InputError(
                f"{one.name} has axes {one.axes} {one.array.shape}, but {first.name} {first.axes} {first.array.shape}; "
                f"channels of a volume have equal ones: correct `path`"
            )
    arrays = [one.array for one in opened]
    dtype = np.result_type(*(array.dtype for array in arrays))
    chunks = getattr(arrays[0], "chunks", None)
    return first._replace(
        array=Parts([len(arrays)], arrays[0].shape, dtype, lambda place, index: arrays[place[0]][index], chunks)
    )


def open_any(path, name):
    """Open whatever ``path`` is, by its ending."""
    ending = Path(path.split("?")[0]).suffix.lower()
    if ending in PICTURES or ("*" in path and ending in (*TIFF_ENDINGS, *MICROSCOPES)):
        return open_slices(path, name)
    if path.startswith(PRECOMPUTED) or Path(path, "info").is_file():
        return open_precomputed(path, name)
    return OPENED_BY.get(ending, open_zarr)(path, name)


def open_with_truth(volume, truth):
    """The volume, opened; ``volume`` and ``truth`` (or None) are what `open_source` takes.

    Raises InputError for what would only be found out after hours of prediction: voxels of unknown size, truth of
    another shape.
    """
    source = open_source(**volume)
    if source.voxel_size is None:
        raise InputError(
            f"{source.name} does not say how large its voxels are; add voxel_size: [z, y, x] and unit to the volume in "
            f"the configuration ([1, 1, 1] if nobody knows)"
        )
    labels = open_source(**truth) if truth else source
    if truth:
        check_lossless(labels.name)
    if labels.shape != source.shape:
        raise InputError(
            f"{labels.name} has shape {labels.shape}, but the volume {source.shape}; correct its `truth` in the "
            f"configuration"
        )
    for truth_size, size, *files in zip(labels.sizes, source.sizes, labels.files, source.files):
        if truth_size != size:
            raise InputError(
                f"{files[0]} has {truth_size} pixels, but {files[1]} {size}; truth and images are paired in the order "
                f"of the numbers in their names: correct `truth`, or the files"
            )
    return source
