"""The border weight map of the U-Net paper (equation 2), in time linear in the pixels.

    w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))        on background pixels, w_c(x) on cells

with d1 and d2 the distances (pixels) to the nearest and to the second nearest cell.
"""

import numpy as np
from numba import njit
from scipy.ndimage import maximum_filter, minimum_filter

from . import IGNORE

FORMS = ("none", "classes", "2015", "2019")
NEGLIGIBLE = 1e-7  # border weights below this are not looked for
FAR = np.int32(2**30)  # squared distance (pixels) of a cell that was not met


def weight_map(labels, w0=10.0, sigma=5.0, class_balance=True, form="2015", class_weights=None, ignore=IGNORE):
    """Weight of every pixel in the loss.

    Parameters
    ----------
    labels : int[y, x], 0 background, 1.. cells, ``ignore`` unknown. Touching cells should have been parted by
        `separate_touching`: only background pixels carry a border weight.
    w0, sigma : height and width (pixels) of the border term.
    class_balance : whether w_c balances the class frequencies; otherwise w_c = 1.
    form : "2015" is the equation above; "2019" has the balance term of Falk et al. (Nature Methods 16:67, 2019) in
        place of w_c; "classes" is w_c alone; "none" is 1 everywhere.
    class_weights : (background, cell), as `class_weights` computes them over a training set; by default this
        image's own.

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
    cells = np.where(known, labels, 0).astype(np.int32)
    weight = np.ones(labels.shape)
    if form == "2019":
        weight = np.where(cells != 0, 1.0, distance_balance(cells))
    elif form != "none" and class_balance:
        background_weight, cell_weight = class_weights or balanced_class_weights([labels], ignore)
        weight = np.where(cells != 0, cell_weight, background_weight)
    if form in ("2015", "2019"):
        weight += border_term(cells, w0, sigma)
    return np.where(known, weight, 0.0).astype(np.float32)


def balanced_class_weights(label_images, ignore=IGNORE):
    """(background, cell) weights that give both classes the same total weight and known pixels the mean weight 1.

    A class that does not occur at all gets weight 1. ASSUME: the paper says only that w_c balances frequencies.
    """
    background = sum(int((labels == 0).sum()) for labels in label_images)
    known = sum(int((labels != ignore).sum()) for labels in label_images)
    return tuple(known / (2 * count) if count else 1.0 for count in (background, known - background))


def distance_balance(cells, ratio=0.1, sigma=10.0):
    """Weight of background pixels in the 2019 form: 1 beside a cell, falling to ``ratio`` far from it; float64[y, x].

    ratio + (1 - ratio) exp(-d1^2 / (2 sigma^2)), with the defaults of the authors' Fiji plugin.
    """
    d1_squared, _ = two_nearest(cells, largest_sum=12 * sigma)
    return ratio + (1 - ratio) * np.exp(-d1_squared / (2 * sigma**2))


def border_term(cells, w0, sigma):
    """w0 exp(-(d1 + d2)^2 / (2 sigma^2)) on the background, 0 on cells, float64[y, x]; cells int[y, x]."""
    border = np.zeros(cells.shape)
    if w0 > NEGLIGIBLE:
        squared = two_nearest(cells, largest_sum=sigma * np.sqrt(2 * np.log(w0 / NEGLIGIBLE)))
        near = squared[1] < FAR
        d1, d2 = (np.sqrt(distance[near]) for distance in squared)
        border[near] = w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return border


def two_nearest(cells, largest_sum):
    """Squared distances (int32[2, y, x], pixels^2) of background pixels to the nearest and the second nearest cell.

    Both are found wherever the sum of the distances is at most ``largest_sum``; elsewhere, and on cells, either may
    be FAR. The nearest alone is found up to half of it.

    Separable and exact: if a cell is one of the two nearest to a pixel, then in the column of its closest point it
    is also one of the two nearest, or two others are at least as near. So two labels per column suffice, however
    many cells there are.
    """
    cells = np.ascontiguousarray(cells, np.int32)
    return _combine_columns(cells, *_nearest_in_columns(cells, int(largest_sum)), largest_sum)


@njit(cache=True)
def _nearest_in_columns(cells, reach):
    """Per pixel, the two nearest distinct cells of its own column, up to ``reach`` pixels away.

    Returns labels and squared distances, int32[y, x, 2]: 0 and FAR where there is none.
    """
    height, width = cells.shape
    label = np.zeros((height, width, 2), np.int32)
    squared = np.full((height, width, 2), FAR, np.int32)
    for downward in (True, False):
        near, near_at = np.zeros(width, np.int32), np.zeros(width, np.int32)  # the cell met last, and where
        other, other_at = np.zeros(width, np.int32), np.zeros(width, np.int32)  # the one met before that
        for step in range(height):
            y = step if downward else height - 1 - step
            for x in range(width):
                here = cells[y, x]
                if here != 0:
                    if here != near[x]:
                        other[x], other_at[x] = near[x], near_at[x]
                    near[x], near_at[x] = here, y
                two = label[y, x, 0], squared[y, x, 0], label[y, x, 1], squared[y, x, 1]
                if near[x] != 0 and abs(y - near_at[x]) <= reach:
                    two = _nearest_two(*two, near[x], (y - near_at[x]) ** 2)
                if other[x] != 0 and abs(y - other_at[x]) <= reach:
                    two = _nearest_two(*two, other[x], (y - other_at[x]) ** 2)
                label[y, x, 0], squared[y, x, 0], label[y, x, 1], squared[y, x, 1] = two
    return label, squared


@njit(cache=True)
def _combine_columns(cells, label, squared, largest_sum):
    """Squared distances int32[2, y, x] to the two nearest cells, from the two nearest of every column."""
    height, width = cells.shape
    result = np.full((2, height, width), FAR, np.int32)
    for y in range(height):
        for x in range(width):
            if cells[y, x] != 0:
                continue
            two = 0, FAR, 0, FAR
            # Cells further off than ``room`` columns can't be one of a pair whose sum matters, neither with the
            # nearest so far nor with each other.
            dx, room = 0, largest_sum / 2
            while dx <= room and dx * dx < two[3]:
                nearest = two[1]
                for column in (x - dx, x + dx):
                    if 0 <= column < width:
                        for k in range(2):
                            at = squared[y, column, k] + dx * dx
                            if at >= two[3]:
                                break  # nor is the column's second any nearer
                            two = _nearest_two(*two, label[y, column, k], at)
                if two[1] < nearest:
                    room = max(largest_sum / 2, largest_sum - np.sqrt(two[1]))
                dx += 1
            result[0, y, x], result[1, y, x] = two[1], two[3]
    return result


@njit(cache=True)
def _nearest_two(first, to_first, second, to_second, label, to_label):
    """The two nearest of three cells of which two may be the same, nearest first: label, distance, label, distance."""
    if to_label < to_first:
        if label == first:
            return label, to_label, second, to_second
        return label, to_label, first, to_first
    if label != first and to_label < to_second:
        return first, to_first, label, to_label
    return first, to_first, second, to_second


def separate_touching(labels, gap=1):
    """Part touching cells by a background gap ``gap`` pixels wide, 0 = not at all; int[y, x] in and out.

    Half of the gap is taken from either cell, the odd pixel from the one with the smaller label. Cells touch at
    corners too. This changes the target of training, never the truth.
    """
    labels = np.asarray(labels)
    highest = maximum_filter(labels, footprint=disc((gap + 1) // 2))
    lowest = minimum_filter(np.where(labels > 0, labels, labels.max(initial=0)), footprint=disc(gap // 2))
    return np.where((labels > 0) & ((highest > labels) | (lowest < labels)), 0, labels)


def disc(radius):
    """bool[y, x]: the pixels within ``radius`` of the one in the middle, diagonal neighbours for a radius of 1."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return y**2 + x**2 <= (radius + 0.5) ** 2
