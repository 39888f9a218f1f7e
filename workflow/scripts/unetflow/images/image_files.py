"""Opening image files without reading them: a TIFF, or a pattern of files with a slice each, of pictures or microscopes
too."""

from glob import glob
from os.path import commonpath, relpath
from pathlib import Path

import numpy as np

from ..errors import InputError, first_line
from .formats import LOSSY, PER_METRE, PICTURES, Opened, known_unit, local_or_remote_file, micrometres, without_single
from .microscopes import MICROSCOPES, open_microscope

PICTURE_AXES = "yxc"  # the first two of them, if it is grey


def open_tiff(path, name):
    import tifffile
    import zarr

    try:
        tiff, series = image_in(local_or_remote_file(path), name)
        array = zarr.open(series.aszarr(level=0), mode="r")
    except InputError:
        raise
    except (tifffile.TiffFileError, IndexError, ValueError) as error:
        raise InputError(f"{path} can't be read as a TIFF file ({error}); copy or export it again") from error
    voxel_size, unit = spacing_of(tiff)
    return Opened(str(path), array, axes_of(series), voxel_size, unit)


def image_in(file, name=None):
    """(open TIFF file, its series number ``name``); by default the first, to which all belong if they were written page
    by page. Raises InputError if others are as large as that."""
    import tifffile

    tiff = tifffile.TiffFile(file)
    if name is None and len(tiff.series) > 1 and all(one.axes == "YX" for one in tiff.series):
        if hasattr(file, "seek"):  # an open file is read from where it stands
            file.seek(0)
        tiff = tifffile.TiffFile(file, is_shaped=False)
    series = tiff.series[int(name or 0)]
    alike = [number for number, one in enumerate(tiff.series) if (one.axes, one.shape) == (series.axes, series.shape)]
    if name is None and len(alike) > 1:
        raise InputError(
            f"{tiff.filehandle.path} holds {len(alike)} images of the same size; export each as a file of its own, or "
            f"name one with the `array` of a volume ({', '.join(map(str, alike))})"
        )
    return tiff, series


def axes_of(series):
    """Axes of a TIFF series: pages without a name for their axis are slices, as all mean it, and colours channels."""
    return series.axes.lower().translate(str.maketrans("qis", "zzc"))


def open_slices(path, name):
    """A pattern of image files, in the order of the numbers in their names (2 before 10), or one of PICTURES."""
    from tifffile import natural_sorted

    files = natural_sorted(glob(path))
    if not files:
        raise InputError(f"no file matches {path}; correct `path` of the volume in the configuration")
    if len(files) == 1 and not path.lower().endswith(PICTURES):
        return (open_microscope if of_a_microscope(path) else open_tiff)(files[0], name)
    array = Slices(files)
    folder = commonpath([Path(file).parent for file in files])
    names = tuple(relpath(file, folder) for file in files)
    axes = "" if "z" in array.axes else "z" + array.axes
    return Opened(str(path), array, axes, *spacing_of_file(files[0]), files=names, shapes=array.shapes)


class Slices:
    """Image files of a slice each as one array [z, ...]: smaller ones lie upper left, and 0 is where they end.

    .axes : of the images; .shapes : of each file's. Raises InputError if they can't be read, or have different axes.
    """

    def __init__(self, files):
        self.files = files
        axes, self.shapes, dtypes, chunks = zip(*(head(file) for file in files))
        self.axes = axes[0]
        for file, shape, one in zip(files, self.shapes, axes):
            if one != self.axes:
                raise InputError(
                    f"{file} has axes {one} {shape}, but {files[0]} {self.axes} {self.shapes[0]}; images of a volume "
                    f"are all grey, all in colour or all stacks: convert this one, or put it under a pattern of its "
                    f"own, as a volume"
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
    """Axes, shape and type of the image in a file, and shape of what is decoded at once, without reading it."""
    import imageio.v3 as imageio

    try:
        if file.lower().endswith(PICTURES):
            known = imageio.improps(file)
            return PICTURE_AXES[: len(known.shape)], known.shape, known.dtype, known.shape
        if of_a_microscope(file):
            array, axes = without_single(open_microscope(file, None))[1:3]
            return axes, array.shape, array.dtype, array.chunks
        tiff, series = image_in(file)
        with tiff:
            chunk = series.keyframe.chunks
            return axes_of(series), series.shape, series.dtype, (*[1] * (len(series.shape) - len(chunk)), *chunk)
    except InputError:
        raise
    except Exception as error:  # whatever a decoder raises, the user's remedy is the same
        raise unreadable(file, error) from error


def read_part(file, index):
    """``index`` of the array in an image file; of a TIFF only the strips or tiles are decoded that it needs."""
    import zarr
    from skimage.io import imread

    if file.lower().endswith(PICTURES):
        return imread(file)[index]
    if of_a_microscope(file):
        return without_single(open_microscope(file, None)).array[index]
    tiff, series = image_in(file)
    with tiff:
        return zarr.open(series.aszarr(level=0), mode="r")[index]


def of_a_microscope(file):
    return Path(file).suffix.lower() in MICROSCOPES


def check_lossless(path):
    """Raise InputError if labels lie in a file of a kind that changes their numbers."""
    if str(path).lower().endswith(LOSSY):
        raise InputError(f"{path} is a JPEG, whose packing changes the numbers of labels; save labels as PNG or TIFF")


def unreadable(file, error):
    return InputError(f"{file} can't be read as an image ({first_line(error)}); copy or export it again")


def spacing_of_file(file, name=None):
    """What `spacing_of` returns, of a TIFF file or one of a microscope, and there of the image ``name``; pictures don't
    say it."""
    if file.lower().endswith(PICTURES):
        return None, None
    if of_a_microscope(file):
        return open_microscope(file, name)[3:5]
    tiff, _ = image_in(file)
    with tiff:
        return spacing_of(tiff)


def spacing_of(tiff):
    """(voxel size (z, y, x) or None, unit or None) from OME-XML, or from what ImageJ, Zeiss (LSM) and Aperio (SVS)
    write instead."""
    import tifffile

    if tiff.is_lsm:
        return micrometres({axis: tiff.lsm_metadata[f"VoxelSize{axis}"] for axis in "ZYX"})
    if tiff.is_svs:
        pixel = tifffile.tifffile.svs_description_metadata(tiff.pages[0].description).get("MPP", 0) / PER_METRE
        return micrometres({"Y": pixel, "X": pixel})
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
