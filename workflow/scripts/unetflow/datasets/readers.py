"""Readers by format: from the files of a data set to a list of slices. A new format is one function here."""

import re
from math import prod
from pathlib import Path

import numpy as np
from scipy.ndimage import find_objects

from .. import IGNORE
from ..errors import InputError
from ..images.image_files import check_lossless
from ..images.pixels import check_size, read_image, read_stack
from ..images.sources import open_any, open_source
from .folders import read_folder
from .stacks import Slice
from .synthetic import GENERATORS


def read_isbi2012(folder):
    """ISBI 2012 EM challenge: multi-page TIFF stacks train-volume, train-labels, test-volume and maybe test-labels.

    Copies of "test labels" that repeat the training labels are known to circulate; such a file is not used.
    """
    images, truths = (read_stack(find_file(folder, f"train-{kind}.tif")) for kind in ("volume", "labels"))
    if len(images) != len(truths):
        raise InputError(
            f"{folder}: train-volume.tif has {len(images)} slices, train-labels.tif {len(truths)}; fetch both again"
        )
    slices = [Slice(f"train/{z:03d}", "train", *pair) for z, pair in enumerate(zip(images, truths))]
    if find_file(folder, "test-volume.tif", needed=False):
        images = read_stack(find_file(folder, "test-volume.tif"))
        truth = find_file(folder, "test-labels.tif", needed=False)
        truth = read_stack(truth) if truth else None
        if truth is not None and (len(truth) != len(images) or same_slices(truth, [s.labels for s in slices])):
            truth = None
        for z, image in enumerate(images):
            labels = None if truth is None else truth[z]
            slices.append(Slice(f"test/{z:03d}", "test", image, labels, part="test"))
    return slices


def same_slices(one, other):
    return any(np.array_equal(a, b) for a in one for b in other)


def read_ctc(folder, margin=0, sequences=None, silver=False):
    """Cell Tracking Challenge: sequences 01, 02, ... with gold segmentation truth on some frames, which are read.

    Their tracking markers are read as well. Where these show cells that the segmentation leaves out, unlabelled pixels
    are unknown; and so are they outside the field of interest, ``margin`` pixels off the image's border, since cells
    that lie wholly there carry no annotation. ``sequences`` : those that are read, as in ["01"]; all by default.
    ``silver`` : whether frames with silver truth alone (a fusion of what programs found) are read too; they train, and
    nothing is tested on them.
    """
    gold = truths_of_frames(folder, "GT", sequences)
    if not gold:
        raise InputError(f"{folder} holds no NN_GT/SEG/man_segTTT.tif; name the folder that holds 01, 01_GT, 02, 02_GT")
    fused = truths_of_frames(folder, "ST", sequences) if silver else {}
    if silver and not fused:
        raise InputError(
            f"{folder} holds no NN_ST/SEG/man_segTTT.tif; take out the option silver, or fetch the set again"
        )
    slices = []
    for (sequence, number), truth in sorted((fused | gold).items()):
        part = "train" if (sequence, number) in gold else "silver"
        slices.append(read_frame(truth, sequence, number, margin, part))
    return slices


def truths_of_frames(folder, kind, sequences):
    """dict (sequence, frame number) -> path of its segmentation truth of a ``kind`` ("GT", "ST")."""
    found = {}
    for truth in (f for name in sequences or ["*"] for f in Path(folder).rglob(f"{name}_{kind}/SEG/man_seg*.tif")):
        frame = re.fullmatch(r"man_seg_?(\d+)", truth.stem)
        if frame is None:
            raise InputError(f"{truth} is a 3-D truth (man_seg_TTT_ZZZ), which this reader does not know; use 2-D sets")
        found[truth.parents[1].name.removesuffix(f"_{kind}"), frame.group(1)] = truth
    return found


def read_frame(truth, sequence, number, margin, part):
    """The `Slice` of one frame, whose segmentation truth is at ``truth``."""
    home = truth.parents[2]
    image, labels = read_image(home / sequence / f"t{number}.tif"), read_image(truth).astype(np.int32)
    tracked = home / f"{sequence}_GT/TRA/man_track{number}.tif"
    markers = read_image(tracked).astype(np.int32) if tracked.is_file() else None
    if markers is not None and unannotated(markers, labels):
        labels[labels == 0] = IGNORE
    for known in (labels, markers):
        if known is not None:
            known[outside(known.shape, margin) & (known == 0)] = IGNORE
    return Slice(f"{sequence}/t{number}", sequence, image, labels, part, markers)


def outside(shape, margin):
    """bool[y, x]: the pixels that are less than ``margin`` off the border."""
    border = np.ones(shape, bool)
    border[margin : shape[0] - margin, margin : shape[1] - margin] = False
    return border


def unannotated(markers, labels):
    """How many markers (tracking truth) lie wholly on background of the segmentation truth."""
    return sum(not labels[box][markers[box] == k].any() for k, box in enumerate(find_objects(markers), 1) if box)


def read_generated(folder, kind="em_stack", slices=12, size=256, cells=45, seed=0):
    """Generated images with exact truth (`unetflow.datasets.synthetic`)."""
    images, labels = GENERATORS[kind](slices, size, cells, seed)
    return [Slice(f"{z:03d}", "generated", *pair) for z, pair in enumerate(zip(images, labels))]


def read_volume(folder, files=None, images=None, labels="labels", axes=None, channel=None, annotated=None):
    """A volume with labels of the same size, each slice an image: arrays of one Zarr, N5 or HDF5, or files or stores in
    one folder. Of several volumes each is a group.

    files : pattern of the stores or files in ``folder``, as in "*.h5", where there are several volumes; by default
    ``folder`` is one, or holds one. images, labels : their names in it; images may be left out where there is one, or
    one at full resolution. axes, channel : of the image, as `sources.open_source` takes them; the labels' axes are the
    same without channels, where their file doesn't say them. annotated : numbers of the slices that are, from 0.
    """
    paths = [folder] if files is None else sorted(Path(folder).glob(files))
    if not paths:
        raise InputError(f"{folder} holds nothing called {files}; correct the data set's option files, or its path")
    slices = []
    for path in paths:
        image, pairs = labelled_slices(path, images, labels, axes, channel, annotated)
        group, before = (path.stem, f"{path.stem}/") if files else ("volume", "")
        digits = max(3, len(str(len(pairs))))
        said = dict(zip(("voxel_size", "unit"), image.in_file))
        slices += [Slice(f"{before}{z:0{digits}d}", group, *pair, **said) for z, pair in enumerate(pairs)]
    return slices


def labelled_slices(folder, images, labels, axes, channel, annotated):
    """The image of one volume, a `sources.Source`, and (image, labels or None) of each slice; arguments as for
    `read_volume`."""
    image = open_part(folder, "images", images, axes, channel)
    truth = open_part(folder, "labels", labels, axes, None)
    check_lossless(truth.name)
    if truth.shape != image.shape:
        raise InputError(
            f"{truth.name} has the shape {truth.shape}, but {image.name} {image.shape}; name arrays of one shape with "
            f"the options images and labels"
        )
    if (beyond := max(annotated or [0])) >= image.shape[0]:
        raise InputError(
            f"{image.name} has no slice {beyond}, but the option annotated names it; there are {image.shape[0]}, from 0"
        )
    stack, drawn = whole(image), whole(truth)
    known = range(len(stack)) if annotated is None else annotated
    return image, [(stack[z], drawn[z] if z in known else None) for z in range(len(stack))]


def open_part(folder, option, name, axes, channel):
    """The `sources.Source` that the ``option`` of a `read_volume` calls ``name``."""
    inside = name and Path(folder, name).exists()
    path, array = (Path(folder, name), None) if inside else (folder, name)
    try:
        missing = len(axes or "") - len(open_any(str(path), array).array.shape)
        return open_source(str(path), array, axes.replace("c", "") if axes and missing > 0 else axes, channel)
    except InputError as error:
        raise InputError(f"the data set's option {option} ({name or 'left out'}): {error}") from error


def whole(source):
    """All voxels of a `sources.Source`. Raises InputError if there are more than memory holds."""
    check_size(source.name, prod(source.shape) * source.channels * source.dtype.itemsize)
    return source.read((0, 0, 0), source.shape)


READERS = {
    "isbi2012": read_isbi2012,
    "ctc": read_ctc,
    "folder": read_folder,
    "volume": read_volume,
    "generated": read_generated,
}


def find_file(folder, name, needed=True):
    """The file called ``name`` anywhere below ``folder``; None if it isn't there and not ``needed``."""
    found = sorted(Path(folder).rglob(name))
    if found or not needed:
        return found[0] if found else None
    raise InputError(f"{folder} holds no {name}; put it there, or correct the data set's path")
