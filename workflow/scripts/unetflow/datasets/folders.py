"""Data sets that are folders: images, and beside them label images or outlines of the same names."""

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..images.formats import PICTURES, TIFF_ENDINGS
from ..images.image_files import check_lossless
from ..images.microscopes import MICROSCOPES, several_in
from ..images.outlines import OUTLINES, read_outlines
from ..images.pixels import read_channels, read_stack
from .spacing import spacing_of_image
from .stacks import Slice

IMAGES = (*TIFF_ENDINGS, *PICTURES, *MICROSCOPES)


def read_folder(folder, images="images", labels="labels", suffix="", axes=None, channel=None, classes=None):
    """A folder of images (IMAGES) and one of label images or OUTLINES with the same names; images without stay so.

    images, labels : names of the folders; of images maybe a list, with one for each channel. suffix : what names of
    labels have at their end besides. Both may lie in one folder, if there is a suffix, or if labels are outlines.
    axes, channel : of the images, as `read_channels` takes them. classes : of outlines, as `read_outlines` takes them.
    Of the images in one file of a microscope those are read that have labels, see `labelled_in`.
    """
    folder = Path(folder)
    first, *others = images if isinstance(images, list) else [images]
    kinds = OUTLINES if labels == first and not suffix else (*IMAGES, *OUTLINES)
    truths = files_by_stem(folder / labels, kinds, only=lambda stem: stem.endswith(suffix))
    truths = {stem.removesuffix(suffix): path for stem, path in truths.items()}
    files = files_by_stem(folder / first, IMAGES, only=lambda stem: not suffix or not stem.endswith(suffix))
    files = {stem: place for file in files.values() for stem, place in labelled_in(file, truths).items()}
    if orphans := sorted(set(truths) - set(files)):
        raise InputError(f"{truths[orphans[0]]} has no image of the same name in {folder}; rename it or take it out")
    for path in truths.values():
        check_lossless(path)
    slices = []
    for stem, (path, part) in files.items():
        pages = read_channels(path, axes, channel, part)
        if others:
            pages = with_channels(pages, path, [folder / other / path.name for other in others], axes, part)
        truth = read_labels(truths[stem], pages, classes) if stem in truths else [None] * len(pages)
        if len(truth) != len(pages):
            raise InputError(f"{truths[stem]} has {len(truth)} slices but {path} has {len(pages)}; they must be equal")
        names = [stem] if len(pages) == 1 else [f"{stem}/{z:03d}" for z in range(len(pages))]
        said = spacing_of_image(path, len(pages), part)
        slices += [Slice(name, stem, *pair, **said) for name, *pair in zip(names, pages, truth)]
    return slices


def labelled_in(path, truths):
    """dict stem of the labels -> (path, name of the image in it) of the images in a file: its stem and None, or, where
    a file of a microscope holds several, those that have ``truths`` (by stem) called as in "day1_Series003".

    Raises InputError if none of several has.
    """
    names = several_in(path) if path.suffix.lower() in MICROSCOPES else []
    if not names:
        return {path.stem: (path, None)}
    several = {f"{path.stem}_{name.replace('/', '_')}": (path, name) for name in names}
    if not (labelled := {stem: place for stem, place in several.items() if stem in truths}):
        raise InputError(
            f"{path} holds {len(names)} images and none has labels; give those that are annotated label images of the "
            f"names {', '.join(several)}"
        )
    return labelled


def read_labels(path, pages, classes):
    """Labels [z, y, x] of the image ``pages`` [z, ..., y, x]. classes : as `read_outlines` takes them, or None."""
    if path.suffix.lower() in OUTLINES:
        return read_outlines(path, (len(pages), *pages.shape[-2:]), classes)
    return read_stack(path)


def with_channels(pages, path, others, axes, part):
    """[z, c, y, x] of the slices ``pages`` of the file ``path`` and of files ``others`` with a channel more each.

    part : name of the image in each file, or None.
    """
    found = [pages, *(read_channels(other, axes, name=part) for other in others)]
    for other, more in zip(others, found[1:]):
        if more.shape != pages.shape:
            raise InputError(f"{other} has the shape {more.shape}, but {path} {pages.shape}; channels have equal ones")
    return np.stack(found, axis=1)


def files_by_stem(folder, kinds, only):
    """dict stem -> path of the files in a folder with one of the endings ``kinds``, whose stem passes ``only``, sorted.

    Raises InputError if there are none, or two of one name.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; correct the data set's path, or its options images and labels")
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in kinds and only(f.stem))
    if not files:
        raise InputError(
            f"{folder} holds no file that is read there ({', '.join(kinds)}); correct the data set's path, or save "
            f"files so"
        )
    if len({f.stem for f in files}) < len(files):
        twice = next(f for f in files if sum(g.stem == f.stem for g in files) > 1)
        raise InputError(f"{folder} holds two files called {twice.stem}; keep one of them")
    return {f.stem: f for f in files}
