"""Pixels of image files, in the order [z, y, x] or [z, c, y, x] whatever axes a file has."""

from math import prod
from pathlib import Path

import numpy as np
import psutil
from skimage.io import imread

from ..errors import InputError, first_line
from .formats import PICTURES, without_single
from .image_files import PICTURE_AXES, axes_of, image_in
from .microscopes import MICROSCOPES, open_microscope


def read_stack(path):
    """All slices of a file of labels or of grey values, [z, y, x], whatever it calls their axis.

    Raises InputError for colour, for more axes, for unreadable files.
    """
    array, axes = read_array(path)
    slices = axes if axes.endswith("c") else axes.translate(str.maketrans("ct", "zz"))
    colours = by_channel(path, array, slices)
    if not all_the_same(colours):
        raise InputError(f"{path} is a colour image {array.shape}; convert it to grey values")
    return colours[0]


def read_channels(path, axes=None, channel=None, name=None):
    """All slices of an image file, the frames of a film too: [z, y, x] of one channel, of several [z, c, y, x].

    axes : where the file says them wrong, in order, as in "zyx". channel : which one, from 0, or a list; may be left
    out where there is one, or where all colours are the same. name : of the image, where a file of a microscope holds
    several. Raises InputError for more axes, for channels that aren't there or of which none is named, for unreadable
    files.
    """
    array, said = read_array(path, name)
    if axes and len(axes) != array.ndim:
        raise InputError(f"{path} has {array.ndim} axes {array.shape}, but axes are {axes!r}; name as many")
    colours = by_channel(path, array, (axes or said).replace("t", "z"))
    if channel is None and not all_the_same(colours):
        raise InputError(
            f"{path} has {len(colours)} channels or colours; say which are read with options: {{channel: 0}} (to "
            f"{len(colours) - 1}), or {{channel: {list(range(len(colours)))}}} for all, or, if they are slices, with "
            f"options: {{axes: zyx}}"
        )
    chosen = np.array(0 if channel is None else channel)
    if chosen.max() >= len(colours):
        raise InputError(f"{path} has no channel {chosen.max()}; there are {len(colours)}, counted from 0")
    return np.moveaxis(colours[chosen], 0, 1) if chosen.ndim else colours[chosen]


def by_channel(path, array, axes):
    """[c, z, y, x] of an image with ``axes`` of "czyx" in any order, or some of them."""
    if not {"y", "x"} <= set(axes) <= set("zcyx") or len(set(axes)) < len(axes) or not array.size:
        raise InputError(
            f"{path} has the axes {axes} {array.shape}; expected one image, or one stack [z, y, x] of them"
        )
    ordered = array.transpose([axes.index(axis) for axis in "czyx" if axis in axes])
    return np.expand_dims(ordered, [place for place, axis in enumerate("czyx") if axis not in axes])


def all_the_same(colours):
    """Whether [c, z, y, x] is one channel, or grey values saved as colours; a fourth is how opaque they are."""
    return len(colours) == 1 or (len(colours) in (3, 4) and bool((colours[:3] == colours[0]).all()))


def read_image(path):
    """One image [y, x]."""
    stack = read_stack(path)
    if len(stack) > 1:
        raise InputError(f"{path} holds {len(stack)} slices where one image is expected; split the stack into files")
    return stack[0]


def read_array(path, name=None):
    """The pixels of an image file, and its axes, a letter each. Raises InputError if it can't be read.

    name : as of `read_channels`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is missing; put it there, or correct the data set's path")
    try:
        if path.suffix.lower() in PICTURES:
            array = imread(path)
            return array, PICTURE_AXES[: array.ndim]
        if path.suffix.lower() in MICROSCOPES:
            opened = without_single(open_microscope(str(path), name))
            check_size(path, prod(opened.array.shape) * opened.array.dtype.itemsize)
            return opened.array[(slice(None),) * len(opened.axes)], opened.axes
        file, series = image_in(path)
        with file:
            check_size(path, prod(series.shape) * series.dtype.itemsize)
            return series.asarray(), axes_of(series)
    except InputError:
        raise
    except Exception as error:  # whatever the decoders raise, the user's remedy is the same
        said = first_line(error)
        raise InputError(f"{path} can't be read as an image ({said}); export it again as TIFF or PNG") from error


def check_size(name, size):
    """Raise InputError if ``size`` bytes, which ``name`` says that it holds, are more than the machine's memory."""
    if size > psutil.virtual_memory().total:
        raise InputError(
            f"{name} says that it holds {size / 1e9:.3g} GB, more than this machine's memory; list it under volumes, "
            f"which are read in parts, or export it again if it is not so large"
        )
