"""What is known of an array in a file before it is read, and the endings by which files are told apart.

Functions called ``open_*`` (stores, hdf5, microscopes, image_files) take the path and the name of an array in it, or
None, and return an `Opened`.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError

TIFF_ENDINGS = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk", ".svs", ".ndpi", ".scn")  # what is TIFF inside
LOSSY = (".jpg", ".jpeg")
PICTURES = (".png", *LOSSY, ".bmp")  # decoded as a whole
HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
PER_METRE = 1e6  # micrometres
DIGITS = 9  # of a micrometre, after which there is only what reckoning left
NANOMETRES = {"angstrom": 0.1, "nanometer": 1, "micrometer": 1e3, "millimeter": 1e6}


class Opened(NamedTuple):
    """An array that is read by slicing; its axes, one letter each ("" if unknown); voxel size (z, y, x) and unit.

    files : names of the files that the first axis counts, if it does; shapes : of the image in each.
    """

    name: str
    array: object
    axes: str
    voxel_size: tuple | None = None
    unit: str | None = None
    files: tuple = ()
    shapes: tuple = ()


class Parts:
    """Arrays of one shape as one array [*counts, ...], read by slicing.

    counts : how many there are, along one axis or more; shape, dtype, chunks : of each of them.
    read : function (place, index) -> ``index`` of the array at ``place``, a tuple of as many numbers as counts.
    """

    def __init__(self, counts, shape, dtype, read, chunks=()):
        self.counts, self.read, self.dtype = tuple(counts), read, np.dtype(dtype)
        self.shape = (*self.counts, *shape)
        self.chunks = (*[1] * len(self.counts), *(chunks or shape))

    def __getitem__(self, index):
        chosen, inner = index[: len(self.counts)], index[len(self.counts) :]
        places = np.arange(np.prod(self.counts, dtype=int)).reshape(self.counts)[chosen]
        parts = [np.asarray(self.read(np.unravel_index(k, self.counts), inner)) for k in places.flat]
        return np.stack(parts).reshape(*places.shape, *parts[0].shape).astype(self.dtype, copy=False)


def without_single(opened):
    """An `Opened` without its axes of one time point, channel or slice; as it is, if its axes aren't known."""
    if not opened.axes:
        return opened
    shape = opened.array.shape
    kept = [place for place, axis in enumerate(opened.axes) if shape[place] > 1 or axis in "yx"]

    def read(_, index):
        chosen = dict(zip(kept, index))
        return opened.array[tuple(chosen.get(place, 0) for place in range(len(shape)))]

    chunks = getattr(opened.array, "chunks", None) or shape
    array = Parts((), [shape[k] for k in kept], opened.array.dtype, read, [chunks[k] for k in kept])
    return opened._replace(array=array, axes="".join(opened.axes[k] for k in kept))


def is_url(path):
    return "://" in str(path)


def local_or_remote_file(path):
    """A path that a reader opens itself, or an open remote file that is read in ranges."""
    if not is_url(path):
        return local_file(path)
    import fsspec

    try:
        return fsspec.open(path, "rb").open()
    except Exception as error:
        raise InputError(f"{path} can't be opened ({error or type(error).__name__}); correct `path`") from error


def local_file(path):
    """The path, as text, of a file whose reader knows no addresses."""
    if is_url(path):
        raise InputError(f"{path}: files of this kind are read on disk only; download it, or convert it to OME-Zarr")
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist; correct `path` of the volume in the configuration")
    return str(path)


class SeveralError(InputError):
    """A file or store holds several images, ``names``, of which none was named."""

    def __init__(self, message, names):
        super().__init__(message)
        self.names = names


def the_one(path, names, name, kind="arrays"):
    """``name``, if it is among the ``names`` of what the file or store at ``path`` holds, or the only one of them.

    Raises InputError otherwise; ``kind`` is what they are called there.
    """
    if name is None and len(names) != 1:
        raise SeveralError(
            f"{path} holds {len(names)} {kind}; name one of them with the `array` of a volume{listing(names)}", names
        )
    name = names[0] if name is None else str(name)
    if name not in names:
        raise InputError(f"{path} has no {name!r} among its {kind}; correct `array` of the volume{listing(names)}")
    return name


def listing(names):
    return f"; there are: {', '.join(sorted(names))}" if names else ""


def micrometres(metres):
    """(voxel size (z, y, x), unit) from metres by axis ("Z", "Y", "X"), or (None, None) if they aren't known, as 0 says
    too."""
    z, y, x = (round(metres.get(axis, 0) * PER_METRE, DIGITS) for axis in "ZYX")
    return ((z or 1.0, y, x), "micrometer") if y and x else (None, None)


def known_unit(name):
    """The NGFF name of a unit as microscopes write it, or None for one that isn't known."""
    known = {"µm": "micrometer", "um": "micrometer", "micron": "micrometer", "nm": "nanometer", "mm": "millimeter"}
    known |= {"Å": "angstrom", "pixel": None, "": None}
    name = (name or "").replace("\\u00B5", "µ")
    return known.get(name, name if name in known.values() else None)
