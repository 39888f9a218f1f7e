"""Opening TIFF and PNG files without reading them: a stack in one file, or a pattern of files with a slice each."""

from glob import glob
from pathlib import Path

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
    import tifffile
    import zarr
    from skimage.io import imread

    files = files_of(path)
    if not files:
        raise InputError(f"no file matches {path}; correct `path` of the volume in the configuration")
    if path.lower().endswith(PNG):
        sequence = tifffile.FileSequence(imread, files)
    elif len(files) == 1:
        return open_tiff(files[0], name)
    else:
        sequence = tifffile.TiffSequence(files)
    if len(sequence.shape) != 1:
        raise InputError(f"{path} matches files that don't form one row of slices; name them by one number")
    try:
        array = zarr.open(sequence.aszarr(), mode="r")
    except (OSError, ValueError, tifffile.TiffFileError) as error:
        raise unreadable(files[0], error) from error
    return Opened(str(path), array, "zyx" if array.ndim == 3 else "", files=tuple(Path(file).name for file in files))


def files_of(path):
    from tifffile import natural_sorted

    return natural_sorted(glob(path))


def check_sizes(path):
    """Raise InputError if the files of a pattern are not all of one size, which is read from their heads."""
    import imageio.v3 as imageio

    first = None
    for file in files_of(path):
        try:
            size = imageio.improps(file).shape
        except Exception as error:  # whatever a decoder raises, the user's remedy is the same
            raise unreadable(file, error) from error
        first = first or (file, size)
        if size != first[1]:
            raise InputError(
                f"{file} has shape {size}, but {first[0]} {first[1]}; slices of a volume are of one size: put "
                f"images of another size under a pattern of their own, as another volume"
            )


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
