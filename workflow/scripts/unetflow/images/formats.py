"""Opening Zarr, OME-Zarr, N5, TIFF and HDF5 files without reading them, on disk or behind a URL.

Every function takes the path and the name of an array in it (or None), and returns what the file says of it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError

TIFF_ENDINGS = (".tif", ".tiff", ".btf", ".tf8")
LOSSY = (".jpg", ".jpeg")
PICTURES = (".png", *LOSSY, ".bmp")  # decoded as a whole
HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
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


class Channels:
    """Arrays of one shape, a channel each, as one array [c, ...], of which ranges of channels are read."""

    def __init__(self, arrays):
        self.arrays, (first, *_) = arrays, arrays
        self.shape, self.dtype = (len(arrays), *first.shape), np.result_type(*(one.dtype for one in arrays))
        self.chunks = (1, *(getattr(first, "chunks", None) or ()))

    def __getitem__(self, index):
        chosen, *inner = index
        return np.stack([np.asarray(one[tuple(inner)]) for one in self.arrays[chosen]])


def is_url(path):
    return "://" in str(path)


def local_or_remote_file(path):
    """A path that a reader opens itself, or an open remote file that is read in ranges."""
    if not is_url(path):
        if not Path(path).is_file():
            raise InputError(f"{path} does not exist; correct `path` of the volume in the configuration")
        return path
    import fsspec

    try:
        return fsspec.open(path, "rb").open()
    except Exception as error:
        raise InputError(f"{path} can't be opened ({error or type(error).__name__}); correct `path`") from error


def open_zarr(path, name):
    import zarr

    if not is_url(path) and not Path(path).exists():
        raise InputError(f"{path} does not exist; correct `path` of the volume in the configuration")
    try:
        node = zarr.open(str(path), mode="r")
    except Exception as error:
        raise InputError(
            f"{path} can't be opened as Zarr ({error or type(error).__name__}); correct `path`, or name a file by its "
            f"ending: {', '.join([*TIFF_ENDINGS, *PICTURES, *HDF5_ENDINGS, '.n5'])}"
        ) from error
    if isinstance(node, zarr.Array):
        return Opened(str(path), quickly_read(node), _names_of_axes(node))
    multiscale = _multiscale(node)
    if name is None and multiscale is None:
        raise InputError(
            f"{path} is a Zarr group without an OME-Zarr image; name one of its arrays with `array`"
            + _listing(_arrays(node))
        )
    name = name or multiscale["datasets"][0]["path"]
    if name not in node or not isinstance(node[name], zarr.Array):
        raise InputError(f"{path} has no array {name!r}; correct `array` of the volume{_listing(_arrays(node))}")
    levels = {level["path"]: level for level in (multiscale or {"datasets": []})["datasets"]}
    if name not in levels:
        return Opened(f"{path}/{name}", quickly_read(node[name]), _names_of_axes(node[name]))
    axes, scale, unit = _spacing(multiscale, levels[name])
    return Opened(f"{path}/{name}", quickly_read(node[name]), axes, scale, unit)


def quickly_read(array):
    """A Zarr array as TensorStore reads it, in a quarter of Zarr-Python's time (docs/log.md), or the array itself where
    it is not on disk, or coded in a way that TensorStore doesn't know."""
    import zarr

    from .ngff import open_quickly

    if not isinstance(array.store, zarr.storage.LocalStore):
        return array
    try:
        return ReadNow(open_quickly(array.store.root / array.path, array.metadata.zarr_format))
    except ValueError:
        return array


def _names_of_axes(array):
    """Axes of a plain Zarr array: dimension names of version 3, or those that xarray writes in version 2."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return "".join(str(n)[0] for n in names).lower() if names and all(names) else ""


def _multiscale(group):
    """The first image of OME-Zarr metadata: of version 0.5, of 0.4 and before, or None."""
    attributes = dict(group.attrs)
    images = attributes.get("ome", attributes).get("multiscales")
    return images[0] if images else None


def _spacing(multiscale, level):
    """(axes, voxel size (z, y, x) or None, unit or None) of one level of an OME-Zarr image."""
    axes = multiscale.get("axes", list("tczyx"))
    named = [axis if isinstance(axis, dict) else {"name": axis} for axis in axes]
    scale = np.ones(len(named))
    for transformation in (
        *level.get("coordinateTransformations", []),
        *multiscale.get("coordinateTransformations", []),
    ):
        if transformation.get("type") == "scale":
            scale = scale * transformation["scale"]
    letters = "".join(axis["name"][0] for axis in named).lower()
    unit = next((axis["unit"] for axis in named if axis["name"] == "x" and "unit" in axis), None)
    if not level.get("coordinateTransformations"):
        return letters, None, unit
    by_axis = dict(zip(letters, scale))
    return letters, tuple(float(by_axis.get(axis, 1.0)) for axis in "zyx"), unit


def _arrays(group):
    """Names of the arrays in a group, where the store can list them."""
    try:
        return [name for name, _ in group.arrays()]
    except Exception:  # a web server can't list
        return []


def _listing(names):
    return f"; there are: {', '.join(sorted(names))}" if names else ""


def open_n5(path, name):
    import tensorstore

    root = path if is_url(path) else Path(path).absolute().as_uri()
    spec = {"driver": "n5", "kvstore": "/".join([root.rstrip("/"), *filter(None, [(name or "").strip("/")]), ""])}
    try:
        array = tensorstore.open(spec, read=True).result()
    except ValueError as error:
        raise InputError(
            f"{path} can't be read as an N5 array; correct `path`, and name the array within it with `array`: {error}"
        ) from error
    # N5 counts x first, and many files don't even say so.
    axes = "".join(label[:1] for label in array.domain.labels).lower() or "xyz"[: array.ndim] * (array.ndim <= 3)
    spacing = {axis: unit for axis, unit in zip(axes, array.dimension_units) if unit is not None}
    voxel_size = tuple(spacing[a].multiplier if a in spacing else 1.0 for a in "zyx") if spacing else None
    unit = known_unit(spacing["x"].base_unit) if "x" in spacing else None
    return Opened(f"{path}/{name or ''}".rstrip("/"), ReadNow(array), axes, voxel_size, unit)


class ReadNow:
    """A TensorStore as an array that is read when it is sliced; shards are what a file of it holds."""

    def __init__(self, store):
        self.store, self.shape, self.dtype = store, store.shape, store.dtype.numpy_dtype
        self.chunks, self.shards = store.chunk_layout.read_chunk.shape, store.chunk_layout.write_chunk.shape

    def __getitem__(self, where):
        return self.store[where].read().result()


def known_unit(name):
    """The NGFF name of a unit as microscopes write it, or None for one that isn't known."""
    known = {"µm": "micrometer", "um": "micrometer", "micron": "micrometer", "nm": "nanometer", "mm": "millimeter"}
    known |= {"Å": "angstrom", "pixel": None, "": None}
    name = (name or "").replace("\\u00B5", "µ")
    return known.get(name, name if name in known.values() else None)


def open_hdf5(path, name):
    import h5py

    try:
        file = h5py.File(local_or_remote_file(path), "r")
    except OSError as error:
        raise InputError(f"{path} can't be read as an HDF5 file ({error}); copy or export it again") from error
    names = []
    file.visititems(lambda key, item: names.append(key) if isinstance(item, h5py.Dataset) else None)
    if name is None and len(names) != 1:
        raise InputError(f"{path} holds {len(names)} arrays; name one of them with `array`{_listing(names)}")
    name = (name or names[0]).strip("/")
    if name not in names:
        raise InputError(f"{path} has no array {name!r}; correct `array` of the volume{_listing(names)}")
    labels = [dimension.label for dimension in file[name].dims]
    axes = "".join(label[0] for label in labels).lower() if all(labels) else ""
    size = file[name].attrs.get("element_size_um")
    return Opened(f"{path}/{name}", file[name], axes, *((tuple(size), "micrometer") if size is not None else ()))
