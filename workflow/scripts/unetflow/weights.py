"""What a network shall find in a pixel, and how much it counts: the border weight map of the U-Net paper (equation 2).

    w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))        on background pixels, w_c(x) on cells

with d1 and d2 the distances (pixels) to the nearest and to the second nearest cell.
"""

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from . import IGNORE
from .nearest import two_nearest

FORMS = ("none", "classes", "2015", "2019")
SHARE = 1 / 8  # of a cell's diameter, that the gap to others may take
NEGLIGIBLE = 1e-7  # border weights below this are not looked for


def weight_map(
    labels, w0=10.0, sigma=5.0, class_balance=True, form="2015", class_weights=None, ignore=IGNORE, target=None
):
    """Weight of every pixel in the loss, in time linear in the pixels.

    Parameters
    ----------
    labels : int[y, x], 0 background, 1.. cells, ``ignore`` unknown. Touching cells should have been parted by
        `separate_touching`: only background pixels carry a border weight.
    w0, sigma : height and width (pixels) of the border term.
    class_balance : whether w_c balances the class frequencies; otherwise w_c = 1.
    form : "2015" is the equation above; "2019" has the balance term of Falk et al. (Nature Methods 16:67, 2019) in
        place of w_c; "classes" is w_c alone; "none" is 1 everywhere.
    class_weights : of the classes of ``target``, as `balanced_class_weights` computes them over a training set; by
        default this image's own.
    target : the `pixel_classes` uint8[y, x]; by default background and cells.

    Returns
    -------
    float32[y, x], 0 where the label is ``ignore``.

    Raises ValueError for labels that are not a 2-D integer array, and for parameters out of range.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be a 2-D integer array, not {labels.ndim}-D {labels.dtype}")
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; it must be one of {', '.join(FORMS)}")
    if sigma <= 0 or w0 < 0:
        raise ValueError(f"w0 = {w0} must not be negative and sigma = {sigma} must be positive")
    known = labels != ignore
    cells = np.where(known, labels, 0)
    weight = np.ones(labels.shape, np.float32)
    if form == "2019":
        weight = np.where(cells != 0, 1.0, distance_balance(cells))
    elif form != "none" and class_balance:
        target = (cells != 0).astype(np.uint8) if target is None else target
        number = max(2, int(target.max(initial=0)) + 1)
        weight = np.take(class_weights or balanced_class_weights([target[known]], number), target)
    if form in ("2015", "2019"):
        weight += border_term(cells, w0, sigma)
    weight[~known] = 0
    return weight.astype(np.float32, copy=False)


def training_target(labels, gap=1, border_class=0, classes=None, **options):
    """(`pixel_classes` uint8[y, x]; weight float32[y, x]) of ``labels``, touching cells parted by ``gap`` pixels.

    options : those of `weight_map`.
    """
    parted = separate_touching(labels, gap, classes)
    target = pixel_classes(parted, border_class, classes)
    return target, weight_map(parted, target=target, **options)


def pixel_classes(labels, border_class=0, classes=None, ignore=IGNORE):
    """Class of every pixel, uint8[y, x]: 0 background (and unknown), 1 cell, 2 border of a cell.

    border_class : width of the border in pixels, which is a cell's outermost ones beside background or another cell;
        0: it is no class of its own. Where a cell ends in the unknown or at the image's border it has none.
    classes : int[y, x], the class 1, 2, ... of each cell where there are several; these have no border class.
    """
    known = labels != ignore
    found = (known & (labels != 0)).astype(np.uint8)
    if classes is not None:
        return found * classes.astype(np.uint8)
    if border_class:
        highest = maximum_filter(np.where(known, labels, 0), footprint=disc(border_class))
        lowest = minimum_filter(np.where(known, labels, labels.max(initial=0)), footprint=disc(border_class))
        found[(found > 0) & ((highest > labels) | (lowest < labels))] = 2
    return found


def balanced_class_weights(targets, number=2):
    """Weights of the ``number`` classes that give them the same total weight and known pixels the mean weight 1.

    targets : the `pixel_classes` uint8[n] of the known pixels of each image. A class that does not occur at all gets
    weight 1. ASSUME: the paper says only that w_c balances frequencies.
    """
    counts = sum((np.bincount(known, minlength=number) for known in targets), np.zeros(number, int)).tolist()
    return tuple(sum(counts) / (len(counts) * count) if count else 1.0 for count in counts)


def distance_balance(cells, ratio=0.1, sigma=10.0):
    """Weight of background pixels in the 2019 form: 1 beside a cell, falling to ``ratio`` far from it; float64[y, x].

    ratio + (1 - ratio) exp(-d1^2 / (2 sigma^2)), with the defaults of the authors' Fiji plugin.
    """
    d1_squared, _ = two_nearest(cells, largest_sum=12 * sigma)
    return ratio + (1 - ratio) * np.exp(-d1_squared / (2 * sigma**2))


def border_term(cells, w0, sigma):
    """w0 exp(-(d1 + d2)^2 / (2 sigma^2)) on the background, 0 on cells, float32[y, x]; cells int[y, x]."""
    border = np.zeros(cells.shape, np.float32)
    if w0 > NEGLIGIBLE:
        largest_sum = sigma * np.sqrt(2 * np.log(w0 / NEGLIGIBLE))
        squared = two_nearest(cells, largest_sum)
        near = np.flatnonzero((squared[1] > 0) & (squared[1] <= largest_sum**2))
        d1, d2 = (np.sqrt(distance.ravel()[near]) for distance in squared)
        border.ravel()[near] = w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return border


def separate_touching(labels, gap=1, classes=None):
    """Part touching cells by a background gap ``gap`` pixels wide, 0 = not at all; int[y, x] in and out.

    Half of the gap is taken from either cell, the odd pixel from the one with the smaller label. Cells touch at
    corners too. A small cell, of which a wide gap would leave little, gives way as to a gap of `SHARE` of its
    diameter. This changes the target of training, never the truth.
    classes : int[y, x], the class of each cell where there are several: only cells of one class are parted, since
    others are told apart by what they are.
    """
    labels, parted = np.asarray(labels), np.array(labels)
    if classes is not None:
        for one in np.unique(classes[labels > 0]):
            mine = (classes == one) & (labels > 0)
            parted[mine] = separate_touching(np.where(mine, labels, 0), gap)[mine]
        return parted
    widths = gaps(labels, gap)
    for width in np.unique(widths[labels > 0]):
        highest = maximum_filter(labels, footprint=disc((width + 1) // 2))
        lowest = minimum_filter(np.where(labels > 0, labels, labels.max(initial=0)), footprint=disc(width // 2))
        parted[(labels > 0) & (widths == width) & ((highest > labels) | (lowest < labels))] = 0
    return parted


def gaps(labels, gap):
    """Gap (pixels) that the cell of each pixel can bear, up to ``gap``: `SHARE` of its diameter, one at least."""
    _, cells, areas = np.unique(labels, return_inverse=True, return_counts=True)
    diameters = 2 * np.sqrt(areas / np.pi)
    return np.minimum(gap, np.maximum(1, np.rint(SHARE * diameters))).astype(int)[cells].reshape(labels.shape)


def disc(radius):
    """bool[y, x]: the pixels within ``radius`` of the one in the middle, diagonal neighbours for a radius of 1."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return y**2 + x**2 <= (radius + 0.5) ** 2
