"""What `prepare` looks at before anything is computed: each finding is a row (check, finding) of a table.

Problems that would spoil the results raise `InputError`; what is merely worth knowing is only reported.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import find_objects
from scipy.ndimage import label as connected_components
from skimage.segmentation import clear_border

from .. import IGNORE
from ..errors import InputError
from ..images import axes
from .classes import absent_classes, as_instances, class_of_values, shares
from .spacing import other_voxels

FEW = 3  # annotated slices
LEAST_COVER = 0.005  # share of the pixels
SATURATED = 0.05  # share of the pixels
UNLIKE = 3  # standard deviations of grey values, between slices of one file or sequence
SPECK = 0.01  # times the median object's area, below which an annotated object is taken for a slip of the pen
SAMPLE = 8  # slices in the middle of a volume that are looked at
LARGEST_ID = 10**6  # of an object: tables with a row for each id are made


def check_slices(slices, labels_are, ignore, classes=None):
    """Check all slices of a data set, in place: labels become int32 instances with `IGNORE` for unknown pixels.

    ``labels_are``: "instances", "binary" or "classes"; ``ignore``: the value of unknown pixels in the label files, or
    None; ``classes``: what values in them each class has, see `class_of_values`, or None.
    Returns rows (check, finding). Raises InputError naming the slice.
    """
    if not slices:
        raise InputError("the data set holds no image; correct its path")
    names = [one.name for one in slices]
    if len(set(names)) < len(names):
        raise InputError(f"two slices are called {max(names, key=names.count)!r}; give the files different names")
    for one in slices:
        check_image(one)
        if one.labels is not None:
            one.labels = check_labels(one, ignore)
            if classes:
                one.labels = class_of_values(one.labels, classes)
    annotated = [one for one in slices if one.labels is not None]
    with_small_ids(annotated)
    if not annotated:
        raise InputError("the data set has no labels at all; add some, or list it under volumes for prediction")
    if not any((one.labels > 0).any() for one in annotated):
        background = "none of the classes' values" if classes else "0"
        raise InputError(
            f"no label image holds an object: {annotated[0].name} and all others are background ({background}) "
            f"everywhere; look whether the right files were exported"
        )
    if labels_are == "instances":
        check_instances(annotated)
        return findings(slices, annotated) + [("suspicious", said) for said in specks_in_words(annotated)]
    for one in annotated:
        if classes:
            one.classes = np.maximum(one.labels, 0).astype(np.uint8)
        one.labels = as_instances(one.labels if classes else np.minimum(one.labels, 1))
    rows = findings(slices, annotated)
    if classes:
        rows.append(("classes", shares(annotated, classes)))
        rows += [("suspicious", said) for said in absent_classes(annotated, classes)]
    return rows


def check_image(one):
    """Raise InputError unless the image holds finite numbers that are not all the same."""
    image = one.image
    if image.dtype.kind not in "uif" or image.dtype.itemsize > 8:
        raise InputError(f"image {one.name} has the type {image.dtype}; convert it to 8 or 16 bit integers or float32")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise InputError(f"image {one.name} holds NaN or infinite values; replace them")
    if image.min() == image.max():
        raise InputError(
            f"image {one.name} is {image.min()} everywhere; take it out, or look whether it was read right"
        )


def check_labels(one, ignore):
    """Labels of one slice as int64[y, x]."""
    labels, name = one.labels, one.name
    for kind, array in (("labels", labels), ("markers", labels if one.markers is None else one.markers)):
        if array.shape != one.shape:
            swapped = array.shape[::-1] == one.shape
            remedy = "their axes seem to be swapped: transpose one of them" if swapped else "they must be equal"
            raise InputError(f"{kind} of {name} are {array.shape} but the image is {one.shape}; {remedy}")
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        raise InputError(f"labels of {name} are not whole numbers; export them as integers, not as probabilities")
    labels = labels.astype(np.int64)
    unknown = np.isin(labels, [IGNORE, IGNORE if ignore is None else ignore])
    if (labels[~unknown] < 0).any():
        raise InputError(
            f"labels of {name} hold {labels[~unknown].min()}; use 0 for background and 1, 2, ... for objects"
        )
    if unknown.all():
        raise InputError(f"labels of {name} say nothing (all pixels unknown); take the label file out")
    return np.where(unknown, IGNORE, labels)


def with_small_ids(annotated):
    """Make all labels int32, in place: objects are numbered anew, over all slices, if an id is above `LARGEST_ID`."""
    ids = np.unique(np.concatenate([np.zeros(1, int), *(np.unique(one.labels) for one in annotated)]))
    objects = ids[ids > 0]
    for one in annotated:
        if ids[-1] > LARGEST_ID:
            drawn = one.labels > 0
            one.labels[drawn] = 1 + np.searchsorted(objects, one.labels[drawn])
        one.labels = one.labels.astype(np.int32)


def check_instances(annotated):
    """Raise InputError if what was announced as instances looks like binary masks."""
    ids = {int(k) for one in annotated for k in np.unique(one.labels) if k > 0}
    pieces = max(connected_components(one.labels > 0)[1] for one in annotated)
    if len(ids) == 1 and pieces > 1:
        raise InputError(
            f"all objects have the label {ids.pop()} though an image holds {pieces} separate ones; these are binary "
            f"masks: set labels: binary for this data set, or draw instances"
        )


def findings(slices, annotated):
    """Rows (check, finding) that say what was understood of the data set."""
    shapes = sorted({one.shape for one in slices})
    low, high = min(one.image.min() for one in slices), max(one.image.max() for one in slices)
    objects = sum(len(np.unique(one.labels[one.labels > 0])) for one in annotated)
    known = np.mean([(one.labels != IGNORE).mean() for one in annotated])
    covered = np.mean([(one.labels > 0).mean() for one in annotated])
    broken = sum(disconnected(one.labels) for one in annotated)
    gaps = sum(one.labels.max() > len(np.unique(one.labels[one.labels > 0])) for one in annotated)
    in_channels = f", in {slices[0].channels} channels" if slices[0].channels > 1 else ""
    rows = [
        ("slices", f"{len(slices)}, of which {len(annotated)} annotated"),
        ("sizes (y, x)", ", ".join(f"{y} x {x}" for y, x in shapes[:4]) + (", ..." if len(shapes) > 4 else "")),
        ("grey values", f"{slices[0].image.dtype}, {low} to {high}{in_channels}"),
        ("objects", f"{objects} in all annotated slices"),
        ("annotated pixels", f"{known:.1%} of the annotated slices"),
        ("objects cover", f"{covered:.1%} of the annotated slices"),
    ]
    if slices[0].image.dtype == np.uint16 and high < 4096:
        used = int(high).bit_length()
        rows.append(("bit depth", f"16 bit files with values up to {high}: {used} bits used"))
    dense = covered > 1 - LEAST_COVER and objects > len(annotated)
    if dense and annotated[0].classes is None:
        rows.append(("background", "none, objects fill the slices; `gap` or `border_class` parts them in training"))
    rows += [("suspicious", said) for said in suspicions(slices, annotated, covered, dense)]
    if gaps:
        rows.append(("label ids", f"not consecutive in {gaps} slices, which harms nothing"))
    if broken:
        rows.append(("suspicious", f"{broken} objects consist of several pieces; the metrics count each as one object"))
    return rows


def annotated_sizes(slices):
    """(areas of objects, of specks), int[n] pixels each, in ``slices`` (int[y, x] each, `IGNORE` unknown).

    Objects that the border of their slice cuts off are left out. A speck has less than `SPECK` of the median area.
    """
    whole = [clear_border(np.where(labels == IGNORE, 0, labels)) for labels in slices]
    sizes = np.concatenate([np.bincount(labels.ravel())[1:] for labels in whole])
    sizes = sizes[sizes > 0]
    speck = sizes < SPECK * np.median(sizes) if len(sizes) else np.zeros(0, bool)
    return sizes[~speck], sizes[speck]


def specks_in_words(annotated):
    """One sentence if some objects are far smaller than the others, else none."""
    sizes, specks = annotated_sizes([one.labels for one in annotated])
    if len(specks):
        yield (
            f"{len(specks)} objects have areas of {specks.max()} px or less, but half of all more than "
            f"{np.median(sizes):.0f} px; if the pen slipped erase them, since metrics count them as objects"
        )


def suspicions(slices, annotated, covered, dense):
    """What is likely not meant so, each with its remedy; ``covered`` is the share of pixels in objects, ``dense``
    whether several of them fill the slices."""
    if len(annotated) < FEW:
        yield f"only {len(annotated)} annotated slices: metrics will say little; draw some more"
    if not dense and not LEAST_COVER < covered < 1 - LEAST_COVER:
        yield f"objects cover {covered:.2%} of the annotated slices; draw all objects, with 0 as background"
    for one in slices:
        highest = np.iinfo(one.image.dtype).max if one.image.dtype.kind in "ui" else np.inf
        if (saturated := (one.image == highest).mean()) > SATURATED:
            yield f"{saturated:.0%} of image {one.name} have the largest value of {one.image.dtype}; is it overexposed?"
            break
    table = pd.DataFrame([(one.name, one.group, one.image.mean(), one.image.std()) for one in slices])
    table.columns = ["name", "group", "mean", "spread"]
    table["typical"] = table.groupby("group")["mean"].transform("median")
    away = (table["mean"] - table["typical"]).abs()
    if away.max() > UNLIKE * table["spread"].mean():
        one = table.loc[away.idxmax()]
        yield (
            f"image {one['name']} has the mean {one['mean']:.4g}, most of its file or sequence have about "
            f"{one['typical']:.4g}; bring all to the same range"
        )


def volume_findings(source):
    """Rows (check, finding) that say what was understood of a `sources.Source`, from its metadata and its middle."""
    sample = source.middle(SAMPLE)
    voxels, gigabytes = np.prod(source.shape, dtype=float), source.dtype.itemsize / 1e9
    rows = [
        ("size (z, y, x)", f"{' x '.join(map(str, source.shape))}, read from axes {axes.in_words(source)}"),
        ("voxels", f"{voxels:.3g}, {voxels * gigabytes:.3g} GB as {source.dtype}"),
        ("voxel size (z, y, x)", f"{list(source.voxel_size)} {source.unit or '(no unit)'}"),
        ("grey values", f"{sample.min()} to {sample.max()}, mean {sample.mean():.4g} in the middle"),
    ]
    rows += [("images", text) for text in sizes_in_words(source)]
    rows += [("suspicious", text) for text in other_voxels(source.in_file, source.voxel_size, source.unit)]
    if source.dtype.kind == "f" and not np.isfinite(sample).all():
        rows.append(("suspicious", "NaN or infinite values in the middle; replace them"))
    elif sample.min() == sample.max():
        rows.append(("suspicious", "the same value everywhere in the middle: is it the right array, channel and time?"))
    if not source.files and source.shape[0] > max(source.shape[1:]):
        rows.append(("suspicious", "more slices than pixels along y and x; if the axes are mixed up, set `axes`"))
    return rows


def sizes_in_words(source):
    """One sentence on the images of a `sources.Source` if they are of different sizes, else none."""
    sizes = sorted(set(source.sizes), key=np.prod)
    if len(sizes) > 1:
        ends = " to ".join(" x ".join(map(str, size)) for size in (sizes[0], sizes[-1]))
        yield f"of {len(sizes)} sizes, {ends} pixels; each is predicted as if alone, and 0 where it ends"


def disconnected(labels):
    """How many objects of int32[y, x] consist of several 8-connected pieces."""
    count = 0
    for k, box in enumerate(find_objects(np.where(labels > 0, labels, 0)), 1):
        if box is not None:
            count += connected_components(labels[box] == k, np.ones((3, 3)))[1] > 1
    return count
