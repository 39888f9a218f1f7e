"""Opening files of microscopes without reading them: CZI (Zeiss), ND2 (Nikon), LIF (Leica), MRC (electrons)."""

from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from warnings import catch_warnings
from weakref import finalize

import numpy as np

from ..errors import InputError, first_line
from .formats import Opened, Parts, SeveralError, local_file, micrometres, the_one
from .hdf5 import open_imaris

GREY = {"Gray8": np.uint8, "Gray16": np.uint16, "Gray32Float": np.float32}  # kinds of pixels of CZI files
SUBBLOCK = 2048  # pixels per side of what a CZI file decodes at once, as microscopes write it
COLOURS = {"Bgr24": np.uint8, "Bgr48": np.uint16}
IMOD = 1146047817  # stands at byte 152 of the MRC files that IMOD writes; its flags follow
SIGNED_BYTES = 1  # one of these flags


@contextmanager
def readable(path, kind):
    """Raise InputError for whatever the reader of a ``kind`` of file raises on opening the one at ``path``."""
    try:
        yield local_file(path)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path} can't be read as {kind} ({first_line(error)}); copy it again, or export it as OME-TIFF"
        ) from error


def open_czi(path, name):
    """CZI; of several scenes ``name`` is the number. Only what lies under a window is decoded."""
    from pylibCZIrw.czi import CziReader

    with readable(path, "CZI") as file:
        czi = CziReader(file)
        scenes = {str(number): area for number, area in czi.scenes_bounding_rectangle_no_pyramid.items()}
        counts = {axis: b - a for axis, (a, b) in czi.total_bounding_box_no_pyramid.items() if axis not in "XY"}
        kinds, metadata = set(czi.pixel_types.values()), czi.metadata["ImageDocument"]["Metadata"]
    coloured = kinds <= set(COLOURS) and counts.pop("C", 1) == 1
    if not (coloured or kinds <= set(GREY)):
        raise InputError(f"{path} holds pixels of the kinds {', '.join(sorted(kinds))}; export it as OME-TIFF")
    scene, area, lock = None, czi.total_bounding_rectangle_no_pyramid, Lock()
    if scenes:
        chosen = the_one(path, list(scenes), name, "scenes")
        scene, area = int(chosen), scenes[chosen]

    def read(place, index):
        (top, bottom, _), (left, right, _) = (one.indices(size) for one, size in zip(index, (area.h, area.w)))
        plane = {axis: int(number) for axis, number in zip(counts, place)}
        with lock:
            window = czi.read((area.x + left, area.y + top, right - left, bottom - top), plane, scene)
        return window[..., ::-1][(..., *index[2:])] if coloured else window[..., 0]  # it has blue first

    with readable(path, "CZI"):
        read([0] * len(counts), (slice(1), slice(1), 0))  # the library refuses files whose axes don't begin at 0

    dtype = np.result_type(*((GREY | COLOURS)[kind] for kind in kinds))
    shape = area.h, area.w, *[3] * coloured
    array = Parts(counts.values(), shape, dtype, read, [min(size, SUBBLOCK) for size in shape])
    distances = metadata.get("Scaling", {}).get("Items", {}).get("Distance", [])
    metres = {one["@Id"]: float(one["Value"]) for one in distances}
    return Opened(str(path), array, "".join(counts).lower() + "yxc"[: 2 + coloured], *micrometres(metres))


def open_nd2(path, name):
    """ND2; of several positions ``name`` is the number."""
    import nd2

    with readable(path, "ND2") as file, nd2.ND2File(file) as film:
        sizes, dtype, seen = dict(film.sizes), film.dtype, film.metadata.channels[0].volume
    loops, axes = ({axis: size for axis, size in sizes.items() if (axis in "CYXS") == inner} for inner in (False, True))
    position = int(the_one(path, [str(k) for k in range(loops.get("P", 1))], name, "positions"))
    shape, others = tuple(axes.values()), {axis: size for axis, size in loops.items() if axis != "P"}
    film = nd2.ND2File(path)

    def read(place, index):
        at = dict(zip(others, place)) | {"P": position}
        frame = np.ravel_multi_index([at[axis] for axis in loops], list(loops.values())) if loops else 0
        return film.read_frame(frame).reshape(shape)[index]

    array = Parts(others.values(), shape, dtype, read)
    finalize(array, film.close)
    letters = "".join([*others, *axes]).lower().replace("s", "c")
    known = (seen.axesCalibration[::-1], "micrometer") if all(seen.axesCalibrated[:2]) else (None, None)
    return Opened(str(path), array, letters, *known)


def open_lif(path, name):
    """LIF; of several images ``name`` is theirs in the file, after those of the folders that hold it."""
    import liffile

    with readable(path, "LIF") as file:
        images = {image.path: image for image in liffile.LifFile(file).images}
    image = images[the_one(path, list(images), name, "images")]
    frame = image.frames.frame_sizes
    others = {axis: size for axis, size in image.sizes.items() if axis not in frame}
    lock = Lock()

    def read(place, index):
        with lock:
            return image.frame(**{axis: int(k) for axis, k in zip(others, place)})[index]

    array = Parts(others.values(), tuple(frame.values()), image.dtype, read)
    letters = "".join([*others, *frame]).lower().replace("s", "c")
    metres = {axis: float(np.ptp(at)) / (len(at) - 1) for axis, at in image.coords.items() if len(at) > 1}
    return Opened(f"{path}/{image.path}", array, letters, *micrometres(metres))


def open_mrc(path, name):
    """MRC 2014 (Cheng et al., J. Struct. Biol. 192, 2015), and IMOD's: bytes without a sign, unless its flags tell."""
    import mrcfile

    with readable(path, "MRC") as file, catch_warnings(action="ignore"):
        mrc = mrcfile.mmap(file, permissive=True)  # many programs leave out what the standard asks for
        if mrc.data is None:
            raise ValueError("there is less in it than its header says")
        array, voxel = mrc.data, mrc.voxel_size
        stamp, flags = np.fromfile(file, mrc.header.nx.dtype, 2, offset=152)
    if array.dtype == np.int8 and stamp == IMOD and not flags & SIGNED_BYTES:
        array = array.view(np.uint8)
    voxel_size = tuple(float(voxel[axis]) for axis in "zyx")
    known = (voxel_size, "angstrom") if all(voxel_size) else (None, None)
    return Opened(str(path), array, "zyx"[-array.ndim :] if array.ndim < 4 else "", *known)


MICROSCOPES = {".czi": open_czi, ".nd2": open_nd2, ".lif": open_lif, ".ims": open_imaris}
MICROSCOPES |= dict.fromkeys((".mrc", ".rec", ".st", ".map"), open_mrc)


def open_microscope(path, name):
    """Open one of MICROSCOPES, by its ending."""
    return MICROSCOPES[Path(path).suffix.lower()](path, name)


def several_in(path):
    """Names of the images in one of MICROSCOPES, as `open_microscope` takes them; none where there is a single one."""
    try:
        open_microscope(str(path), None)
    except SeveralError as several:
        return several.names
    return []
