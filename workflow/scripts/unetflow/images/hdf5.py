"""Opening HDF5 files without reading them: arrays of any layout, and Imaris files (.ims), which are HDF5 too."""

from ..errors import InputError
from .formats import Opened, Parts, known_unit, local_or_remote_file, the_one

LEVEL = "DataSet/ResolutionLevel 0"  # full resolution of an Imaris file


def open_hdf5(path, name):
    import h5py

    file, names = opened(path), []
    file.visititems(lambda key, item: names.append(key) if isinstance(item, h5py.Dataset) else None)
    name = the_one(path, names, name and name.strip("/"))
    labels = [dimension.label for dimension in file[name].dims]
    axes = "".join(label[0] for label in labels).lower() if all(labels) else ""
    size = file[name].attrs.get("element_size_um")
    return Opened(f"{path}/{name}", file[name], axes, *((tuple(size), "micrometer") if size is not None else ()))


def opened(path):
    """The open HDF5 file at ``path``."""
    import h5py

    try:
        return h5py.File(local_or_remote_file(path), "r")
    except OSError as error:
        raise InputError(f"{path} can't be read as an HDF5 file ({error}); copy or export it again") from error


def open_imaris(path, name):
    """Imaris 5.5: an array for each time point and channel, filled up to whole chunks beyond the size of the image.

    Layout as in Bitplane's description of the format.
    """
    file = opened(path)
    try:
        said, times = file["DataSetInfo/Image"].attrs, file[LEVEL]
        shape = tuple(int(text(said[axis])) for axis in "ZYX")
        extent = [float(text(said[f"ExtMax{k}"])) - float(text(said[f"ExtMin{k}"])) for k in (2, 1, 0)]
        first = times["TimePoint 0/Channel 0/Data"]
        counts = len(times), len(times["TimePoint 0"])
    except KeyError as error:
        raise InputError(f"{path} isn't laid out as an Imaris 5.5 file ({error}); export it again") from error

    def read(place, index):
        data = times["TimePoint {}/Channel {}/Data".format(*place)]
        return data[tuple(slice(*one.indices(size)) for one, size in zip(index, shape))]

    voxel_size = tuple(length / size for length, size in zip(extent, shape))
    array = Parts(counts, shape, first.dtype, read, first.chunks)
    return Opened(str(path), array, "tczyx", voxel_size, known_unit(text(said["Unit"])) if "Unit" in said else None)


def text(letters):
    """What an attribute of an Imaris file says, which is kept letter by letter."""
    return b"".join(letters).decode()
