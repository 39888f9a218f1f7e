"""Volumes where they lie: OME-Zarr, Zarr, TIFF and HDF5, on disk or behind a URL, read window by window.

Whatever the order of its axes, a volume is read as [z, y, x]; of channels and time points one is chosen. Nothing but
the windows asked for is ever loaded.
"""

from dataclasses import dataclass
from functools import cached_property
from glob import glob
from hashlib import sha256
from pathlib import Path

import numpy as np

from .errors import InputError

TIFF_ENDINGS = (".tif", ".tiff", ".btf", ".tf8")
ZARR_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
ALONE = {"t": "time", "c": "channel"}  # axes of which one index is taken, and the configuration key that says which


@dataclass
class Source:
    """A volume that can be read in windows.

    array : anything with shape, dtype and slices. axes : one letter per axis of it, of "tczyx" in any order.
    fixed : index of the axes that are not space. voxel_size : (z, y, x) in ``unit``, or None if unknown.
    """

    name: str
    array: object
    axes: str
    fixed: dict
    voxel_size: tuple | None = None
    unit: str | None = None

    @cached_property
    def shape(self):
        """(z, y, x) in voxels; z is 1 for a single image."""
        return tuple(self.array.shape[self.axes.index(a)] if a in self.axes else 1 for a in "zyx")

    @property
    def dtype(self):
        return np.dtype(self.array.dtype)

    def read(self, start, stop):
        """The window from ``start`` to ``stop`` (both z, y, x, within the volume) as an array [z, y, x]."""
        ranges = {axis: slice(int(a), int(b)) for axis, a, b in zip("zyx", start, stop)}
        index = tuple(ranges[axis] if axis in ranges else self.fixed[axis] for axis in self.axes)
        window = np.asarray(self.array[index])
        kept = [axis for axis in self.axes if axis in ranges]
        if "z" not in kept:
            window, kept = window[None], ["z", *kept]
        return window.transpose([kept.index(axis) for axis in "zyx"])


def open_source(path, array=None, axes=None, channel=0, time=0, voxel_size=None, unit=None):
    """Open a volume without reading it.

    Parameters
    ----------
    path : a Zarr store, a TIFF or HDF5 file, a pattern (``*``) of TIFF slices, or an fsspec URL of a store or file.
    array : name of the array within the store or file, where it isn't the only one or the full resolution of an image.
    axes, voxel_size, unit : what they are, where the file doesn't say, or says it wrong.
    channel, time : which one to read, where there are several.

    Returns
    -------
    Source.

    Raises InputError, naming the remedy, for what can't be opened, isn't a volume, or doesn't say what its axes are.
    """
    opened = _opener(path)(path, array)
    opened.axes = (axes or opened.axes or "").lower()
    opened.fixed = {"t": time, "c": channel}
    _check_axes(opened)
    opened.voxel_size = tuple(float(v) for v in voxel_size) if voxel_size else opened.voxel_size
    opened.unit = unit or opened.unit
    return opened


def _opener(path):
    ending = Path(path.split("?")[0]).suffix.lower()
    if ending in TIFF_ENDINGS:
        return _open_tiff_slices if "*" in path else _open_tiff
    return _open_hdf5 if ending in HDF5_ENDINGS else _open_zarr


def _check_axes(source):
    """Raise InputError unless the axes fit the array and name y and x."""
    axes, shape = source.axes, source.array.shape
    if not axes:
        raise InputError(
            f"{source.name} does not say what its {len(shape)} axes {shape} are; add `axes` to the volume in the "
            f"configuration, for example axes: {'tczyx'[-len(shape) :]}"
        )
    odd = set(axes) - set("tczyx")
    if odd or len(set(axes)) != len(axes) or not {"y", "x"} <= set(axes):
        raise InputError(
            f"{source.name} has axes {axes!r}; they must be y and x, with z, c, t where there are such, each once "
            f"(colour images: convert them to grey values)"
        )
    if len(axes) != len(shape):
        raise InputError(f"{source.name} has {len(shape)} axes {shape}, but axes are {axes!r}; name as many")
    for axis, key in ALONE.items():
        if axis in axes and not 0 <= source.fixed[axis] < shape[axes.index(axis)]:
            raise InputError(
                f"{source.name} has {shape[axes.index(axis)]} along {axis}, but {key} is {source.fixed[axis]}; "
                f"they count from 0"
            )
    if 0 in source.shape:
        raise InputError(f"{source.name} is empty: its shape is {shape}")
    if source.dtype.kind not in "uif":
        raise InputError(f"{source.name} holds {source.dtype}; an image or label volume holds numbers")


def identity(path):
    """What tells a volume from another without reading it: metadata of stores, names, sizes and heads of files.

    None for what lies behind a URL. Voxels changed in place, with the same metadata, are not noticed.
    """
    if is_url(path):
        return None
    seen = []
    for place in sorted(map(Path, glob(str(path)))):
        if place.is_dir():
            files = [f for depth in ("*", "*/*") for f in place.glob(depth) if f.name in ZARR_METADATA]
            seen += [[str(f.relative_to(place)), f.read_text()] for f in sorted(files)]
        else:
            with open(place, "rb") as file:
                seen.append([place.name, place.stat().st_size, sha256(file.read(2**16)).hexdigest()])
    return seen


def is_url(path):
    return "://" in str(path)


def _local_or_remote_file(path):
    """A path that a reader opens itself, or an open remote file that is read in ranges."""
    if not is_url(path):
        if not Path(path).is_file():
            raise InputError(f"{path} does not exist; correct `path` of the volume in the configuration")
        return path
    import fsspec

    try:
        return fsspec.open(path, "rb").open()
    except Exception as error:
        raise InputError(f"{path} can't be opened: {error or type(error).__name__}") from error


# Zarr ----------------------------------------------------------------------------------------------------------------


def _open_zarr(path, name):
    import zarr

    if not is_url(path) and not Path(path).exists():
        raise InputError(f"{path} does not exist; correct `path` of the volume in the configuration")
    try:
        node = zarr.open(str(path), mode="r")
    except Exception as error:
        raise InputError(
            f"{path} is neither a Zarr store nor a TIFF ({', '.join(TIFF_ENDINGS)}) or HDF5 file "
            f"({', '.join(HDF5_ENDINGS)}) that can be opened: {error or type(error).__name__}"
        ) from error
    if isinstance(node, zarr.Array):
        return Source(str(path), node, _names_of_axes(node), {})
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
        return Source(f"{path}/{name}", node[name], _names_of_axes(node[name]), {})
    axes, scale, unit = _spacing(multiscale, levels[name])
    return Source(f"{path}/{name}", node[name], axes, {}, scale, unit)


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


# TIFF ----------------------------------------------------------------------------------------------------------------


def _open_tiff(path, name):
    import tifffile
    import zarr

    try:
        tiff = tifffile.TiffFile(_local_or_remote_file(path))
        if name is None and len(tiff.series) > 1 and all(one.axes == "YX" for one in tiff.series):
            tiff = tifffile.TiffFile(_local_or_remote_file(path), is_shaped=False)  # pages written one by one
        series = tiff.series[int(name or 0)]
        array = zarr.open(series.aszarr(level=0), mode="r")
    except (tifffile.TiffFileError, IndexError, ValueError) as error:
        raise InputError(f"{path} can't be read as a TIFF file: {error}") from error
    # A stack of pages without names for its axes is taken as slices, as everybody means it.
    axes = series.axes.lower().replace("q", "z").replace("i", "z")
    voxel_size, unit = _tiff_spacing(tiff)
    return Source(str(path), array, axes, {}, voxel_size, unit)


def _open_tiff_slices(path, name):
    import tifffile
    import zarr

    files = sorted(glob(path))
    if not files:
        raise InputError(f"no file matches {path}; correct `path` of the volume in the configuration")
    sequence = tifffile.TiffSequence(files)
    if len(sequence.shape) != 1:
        raise InputError(f"{path} matches files that don't form one row of slices")
    array = zarr.open(sequence.aszarr(), mode="r")
    return Source(str(path), array, "zyx" if array.ndim == 3 else "", {})


def _tiff_spacing(tiff):
    """(voxel size (z, y, x) or None, unit or None) from OME-XML or ImageJ's own metadata."""
    import tifffile

    if tiff.is_ome:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
        pixels = (pixels[0] if isinstance(pixels, list) else pixels)["Pixels"]
        if "PhysicalSizeX" in pixels and "PhysicalSizeY" in pixels:
            sizes = tuple(float(pixels.get(f"PhysicalSize{axis}", 1.0)) for axis in "ZYX")
            return sizes, _unit(pixels.get("PhysicalSizeXUnit", "µm"))
    if tiff.is_imagej and "XResolution" in tiff.pages[0].tags:
        pixels_per_unit = [tiff.pages[0].tags[f"{axis}Resolution"].value for axis in "YX"]
        if all(n and d for n, d in pixels_per_unit):
            spacing = float(tiff.imagej_metadata.get("spacing", 1.0))
            return (spacing, *(d / n for n, d in pixels_per_unit)), _unit(tiff.imagej_metadata.get("unit"))
    return None, None


def _unit(name):
    """The NGFF name of a unit as microscopes write it, or None for one that isn't known."""
    known = {"µm": "micrometer", "um": "micrometer", "micron": "micrometer", "nm": "nanometer", "mm": "millimeter"}
    known |= {"Å": "angstrom", "pixel": None, "": None}
    name = (name or "").replace("\\u00B5", "µ")
    return known.get(name, name if name in known.values() else None)


# HDF5 ----------------------------------------------------------------------------------------------------------------


def _open_hdf5(path, name):
    import h5py

    try:
        file = h5py.File(_local_or_remote_file(path), "r")
    except OSError as error:
        raise InputError(f"{path} can't be read as an HDF5 file: {error}") from error
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
    return Source(f"{path}/{name}", file[name], axes, {}, *((tuple(size), "micrometer") if size is not None else ()))
