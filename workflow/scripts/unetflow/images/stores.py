"""Opening stores without reading them, on disk or behind a URL: OME-Zarr, Zarr, N5, Neuroglancer precomputed."""

from pathlib import Path

import numpy as np

from ..errors import InputError, first_line
from .formats import HDF5_ENDINGS, PICTURES, TIFF_ENDINGS, Opened, is_url, known_unit, listing
from .microscopes import MICROSCOPES

PRECOMPUTED = "precomputed://"  # what Neuroglancer writes before the address of such a store


def open_zarr(path, name):
    import zarr

    if not is_url(path) and not Path(path).exists():
        raise InputError(f"{path} does not exist; correct `path` of the volume in the configuration")
    try:
        node = zarr.open(str(path), mode="r")
    except Exception as error:
        raise InputError(
            f"{path} can't be opened as Zarr ({error or type(error).__name__}); correct `path`, or name a file by its "
            f"ending: {', '.join([*TIFF_ENDINGS, *PICTURES, *HDF5_ENDINGS, *MICROSCOPES, '.n5'])}"
        ) from error
    if isinstance(node, zarr.Array):
        return Opened(str(path), quickly_read(node), _names_of_axes(node))
    multiscale = _multiscale(node)
    if name is None and multiscale is None:
        raise InputError(
            f"{path} is a Zarr group without an OME-Zarr image; name one of its arrays with `array`"
            + listing(_arrays(node))
        )
    name = name or multiscale["datasets"][0]["path"]
    if name not in node or not isinstance(node[name], zarr.Array):
        raise InputError(f"{path} has no array {name!r}; correct `array` of the volume{listing(_arrays(node))}")
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


def open_precomputed(path, name):
    """Neuroglancer's "precomputed" layout; ``name`` is the key of a scale, by default the finest."""
    import tensorstore

    root = path.removeprefix(PRECOMPUTED)
    root = root if is_url(root) else Path(root).absolute().as_uri()
    spec = {"driver": "neuroglancer_precomputed", "kvstore": root.rstrip("/") + "/"}
    try:
        scale = {"scale_metadata": {"key": name}} if name else {"scale_index": 0}
        array = tensorstore.open(spec | scale, read=True).result()
    except ValueError as error:
        raise InputError(
            f"{path} can't be read as a precomputed volume; correct `path`, and `array` if it names a scale: "
            f"{first_line(error)}"
        ) from error
    array = array[tensorstore.d[:].translate_to[0]]  # volumes may begin anywhere in their space
    voxel_size = tuple(float(size.multiplier) for size in array.dimension_units[2::-1])
    return Opened(f"{path}/{name or ''}".rstrip("/"), ReadNow(array), "xyzc", voxel_size, "nanometer")


class ReadNow:
    """A TensorStore as an array that is read when it is sliced; shards are what a file of it holds."""

    def __init__(self, store):
        self.store, self.shape, self.dtype = store, store.shape, store.dtype.numpy_dtype
        self.chunks, self.shards = store.chunk_layout.read_chunk.shape, store.chunk_layout.write_chunk.shape

    def __getitem__(self, where):
        return self.store[where].read().result()
