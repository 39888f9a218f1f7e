"""Opening TIFF and PNG files without reading them: a stack in one file, or a pattern of files with a slice each."""

from glob import glob
from os.path import commonpath, relpath
from pathlib import Path

import numpy as np

from .errors import InputError, first_line
from .formats import PNG, Opened, known_unit, local_or_remote_file


def open_tiff(path, name):
    import tifffile
    import zarr

    try:
        tiff = tifffile.TiffFile(local_or_remote_file(path))
        if name is None and len(tiff.series) > 1 and all(one.axes == "YX" for one in tiff.series):
            tiff = tifffile.TiffFile(local_or_remote_file(path), is_shaped=False)  # pages written one by one
        series = tiff.series[int(name or 0)]
        array = zarr.open(series.aszarr(level=0), mode="r")
    except (tifffile.TiffFileError, IndexError, ValueError) as error:
        raise InputError(f"{path} can't be read as a TIFF file ({error}); copy or export it again") from error
    # A stack of pages without names for its axes is taken as slices, as everybody means it.
    axes = series.axes.lower().replace("q", "z").replace("i", "z")
    voxel_size, unit = spacing_of(tiff)
    return Opened(str(path), array, axes, voxel_size, unit)


def open_slices(path, name):
    """A pattern of TIFF or PNG files, in the order of the numbers in their names (2 before 10), or one PNG file."""
    from tifffile import natural_sorted

    files = natural_sorted(glob(path))
    if not files:
        raise InputError(f"no file matches {path}; correct `path` of the volume in the configuration")
    if len(files) == 1 and not path.lower().endswith(PNG):
        return open_tiff(files[0], name)
    array = Slices(files)
    folder = commonpath([Path(file).parent for file in files])
    names = tuple(relpath(file, folder) for file in files)
    return Opened(str(path), array, "zyx" if len(array.shape) == 3 else "", files=names, shapes=array.shapes)


class Slices:
    """Image files of a slice each as one array [z, ...]: smaller ones lie upper left, and 0 is where they end.

    .shapes : of each file's image. Raises InputError if they can't be read, or have different numbers of axes.
    """

    def __init__(self, files):
        self.files = files
        self.shapes, dtypes, chunks = zip(*(head(file) for file in files))
        for file, shape in zip(files, self.shapes):
            if len(shape) != len(self.shapes[0]):
                raise InputError(
                    f"{file} has shape {shape}, but {files[0]} {self.shapes[0]}; images of a volume are all grey, all "
                    f"in colour or all stacks: convert this one, or put it under a pattern of its own, as a volume"
                )
        self.dtype = np.result_type(*dtypes)
        self.shape = (len(files), *(max(sizes) for sizes in zip(*self.shapes)))
        self.chunks = (1, *(max(sizes) for sizes in zip(*chunks)))

    def __getitem__(self, index):
        chosen, inner = np.arange(len(self.files))[index[0]], index[1:]
        window = np.zeros((*chosen.shape, *np.broadcast_to(0, self.shape[1:])[inner].shape), self.dtype)
        for place in np.ndindex(chosen.shape):
            part = read_part(self.files[chosen[place]], inner)
            window[(*place, *map(slice, part.shape))] = part
        return window


def head(file):
    """Shape and type of the image in a file, and shape of what is decoded at once, without reading it."""
    import imageio.v3 as imageio
    import tifffile

    try:
        if file.lower().endswith(PNG):
            known = imageio.improps(file)
            return known.shape, known.dtype, known.shape
        with tifffile.TiffFile(file) as tiff:
            series, chunk = tiff.series[0], tiff.series[0].keyframe.chunks
            return series.shape, series.dtype, (*[1] * (len(series.shape) - len(chunk)), *chunk)
    except Exception as error:  # whatever a decoder raises, the user's remedy is the same
        raise unreadable(file, error) from error


def read_part(file, index):
    """``index`` of the array in a TIFF or PNG file; of a TIFF only the strips or tiles are decoded that it needs."""
    import tifffile
    import zarr
    from skimage.io import imread

    if file.lower().endswith(PNG):
        return imread(file)[index]
    with tifffile.TiffFile(file) as tiff:
        return zarr.open(tiff.series[0].aszarr(level=0), mode="r")[index]


def unreadable(file, error):
    return InputError(f"{file} can't be read as an image ({first_line(error)}); copy or export it again")


def spacing_of(tiff):
    """(voxel size (z, y, x) or None, unit or None) from OME-XML or ImageJ's own metadata."""
    import tifffile

    if tiff.is_ome:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
        pixels = (pixels[0] if isinstance(pixels, list) else pixels)["Pixels"]
        if "PhysicalSizeX" in pixels and "PhysicalSizeY" in pixels:
            sizes = tuple(float(pixels.get(f"PhysicalSize{axis}", 1.0)) for axis in "ZYX")
            return sizes, known_unit(pixels.get("PhysicalSizeXUnit", "µm"))
    if tiff.is_imagej and "XResolution" in tiff.pages[0].tags:
        pixels_per_unit = [tiff.pages[0].tags[f"{axis}Resolution"].value for axis in "YX"]
        if all(n and d for n, d in pixels_per_unit):
            spacing = float(tiff.imagej_metadata.get("spacing", 1.0))
            return (spacing, *(d / n for n, d in pixels_per_unit)), known_unit(tiff.imagej_metadata.get("unit"))
    return None, None
