"""The border weight map of the U-Net paper (equation 2), in time linear in the pixels.

    w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))        on background pixels, w_c(x) on cells

with d1 and d2 the distances (pixels) to the nearest and to the second nearest cell.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.ndimage import maximum_filter, minimum_filter

from . import IGNORE

FORMS = ("none", "classes", "2015", "2019")
NEGLIGIBLE = 1e-7  # border weights below this are not looked for
SEGMENT = 256  # pixels of a row that are looked at together


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
    cells = np.where(known, labels, 0)
    weight = np.ones(labels.shape, np.float32)
    if form == "2019":
        weight = np.where(cells != 0, 1.0, distance_balance(cells))
    elif form != "none" and class_balance:
        background_weight, cell_weight = class_weights or balanced_class_weights([labels], ignore)
        weight = np.where(cells != 0, cell_weight, background_weight)
    if form in ("2015", "2019"):
        weight += border_term(cells, w0, sigma)
    weight[~known] = 0
    return weight.astype(np.float32, copy=False)


def training_target(labels, gap=1, **options):
    """(target uint8[y, x], 1 = object; weight float32[y, x]) of ``labels``, touching cells parted by ``gap`` pixels.

    options : those of `weight_map`.
    """
    parted = separate_touching(labels, gap)
    return (parted > 0).astype(np.uint8), weight_map(parted, **options)


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
    """w0 exp(-(d1 + d2)^2 / (2 sigma^2)) on the background, 0 on cells, float32[y, x]; cells int[y, x]."""
    border = np.zeros(cells.shape, np.float32)
    if w0 > NEGLIGIBLE:
        largest_sum = sigma * np.sqrt(2 * np.log(w0 / NEGLIGIBLE))
        squared = two_nearest(cells, largest_sum)
        near = np.flatnonzero((squared[1] > 0) & (squared[1] <= largest_sum**2))
        d1, d2 = (np.sqrt(distance.ravel()[near]) for distance in squared)
        border.ravel()[near] = w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return border


class Keys(NamedTuple):
    """Cells by distance, as integers that can be compared: the distance in the high bits, the label in the low ones.

    All four are of the integer type of the keys; 32 bits where they suffice, for twice the speed.
    """

    none: int  # no cell: further away than any that matters
    one: int  # a distance of 1 pixel
    label: int  # the bits of the label
    shift: int  # where the distance begins


def two_nearest(cells, largest_sum):
    """Squared distances (int[y, x] each, pixels^2) of background pixels to the nearest and the second nearest cell.

    Both are found wherever the sum of the distances is at most ``largest_sum``; elsewhere either may be anything
    above its square. On cells the second is 0.

    Separable and exact: if a cell is one of the two nearest to a pixel, then in the column of its closest point it
    is also one of the two nearest, or two others are at least as near. So two labels per column suffice, however
    many cells there are.
    """
    reach = int(largest_sum)
    keys, cell_keys = _keys(cells, reach)
    steps = (np.arange(reach + 1) ** 2).astype(cell_keys.dtype) * keys.one
    nearest, second = _nearest_in_columns(cell_keys, reach, keys)
    return _combine_columns(cell_keys, nearest, second, steps, keys)


def _keys(cells, reach):
    """Keys up to ``reach`` pixels of distance or twice its square, and those of the cells themselves, int[y, x]."""
    shift = 31 - int(2 * (reach + 1) ** 2).bit_length()
    kind, shift = (np.int32, shift) if cells.max(initial=0) < 2**shift else (np.int64, 32)
    keys = Keys(*(kind(value) for value in ((reach + 1) << shift, 1 << shift, (1 << shift) - 1, shift)))
    cells = cells.astype(kind, copy=False)
    return keys, np.where(cells != 0, cells, keys.none)


@njit(cache=True)
def _nearest_in_columns(cells, reach, keys):
    """Keys of squared distances to the two nearest cells of every pixel's column, int[y, reach + x + reach], each.

    On both sides stand ``reach`` columns without a cell.
    """
    height, width = cells.shape
    inside = slice(reach, reach + width)
    nearest = np.full((height, width + 2 * reach), keys.none)
    second = nearest.copy()
    above = nearest[0, inside].copy(), second[0, inside].copy()
    below = above[0].copy(), above[1].copy()
    for y in range(height):
        _one_further(*above, cells[y], keys)
        nearest[y, inside], second[y, inside] = above
    for y in range(height - 1, -1, -1):
        _one_further(*below, cells[y], keys)
        _merge(nearest[y, inside], second[y, inside], *below, keys.one - keys.one, keys)
        _square(nearest[y], keys)
        _square(second[y], keys)
    return nearest, second


@njit(cache=True)
def _combine_columns(cells, nearest, second, steps, keys):
    """Squared distances to the two nearest cells, int[y, x] each, from the keys of the two nearest of every column."""
    height, width = cells.shape
    reach = len(steps) - 1
    first_of_all, second_of_all = np.empty_like(cells), np.empty_like(cells)
    for y in range(height):
        for start in range(0, width, SEGMENT):
            stop = min(width, start + SEGMENT)
            found = first_of_all[y, start:stop], second_of_all[y, start:stop]
            found[0][:] = nearest[y, reach + start : reach + stop]
            _of_background(found[1], second[y, reach + start : reach + stop], cells[y, start:stop], keys)
            for dx in range(1, reach + 1):
                if steps[dx] >= _largest(found[1]):
                    break  # columns further off hold nothing nearer
                for shift in (reach - dx, reach + dx):
                    columns = slice(start + shift, stop + shift)
                    _merge(*found, nearest[y, columns], second[y, columns], steps[dx], keys)
            found[0][:] >>= keys.shift
            found[1][:] >>= keys.shift
    return first_of_all, second_of_all


@njit(cache=True)
def _one_further(nearest, second, cells, keys):
    """Go on by one pixel in every column: the two nearest cells are 1 further off, but for a cell that is met."""
    kind = nearest.dtype.type
    for x in range(len(nearest)):
        one_off, two_off = min(kind(nearest[x] + keys.one), keys.none), min(kind(second[x] + keys.one), keys.none)
        nearest[x], second[x] = _two_of_three(one_off, two_off, cells[x], keys.label)


@njit(cache=True)
def _square(row, keys):
    """Distances to their squares."""
    kind = row.dtype.type
    for x in range(len(row)):
        distance = kind(row[x] >> keys.shift)
        row[x] = kind(kind(distance * distance) << keys.shift) | kind(row[x] & keys.label)


@njit(cache=True)
def _merge(nearest, second, other_nearest, other_second, step, keys):
    """The two nearest of four cells, of which some may be the same; the others are ``step`` further off."""
    kind = nearest.dtype.type
    for x in range(len(nearest)):
        two = _two_of_three(nearest[x], second[x], kind(other_nearest[x] + step), keys.label)
        nearest[x], second[x] = _two_of_three(*two, kind(other_second[x] + step), keys.label)


@njit(cache=True)
def _two_of_three(nearest, second, key, label):
    """The two nearest of three cells, of which the last may be one of the others. No branches: it is vectorised."""
    same = (nearest ^ key) & label == 0
    return min(nearest, key), second if same else min(second, max(nearest, key))


@njit(cache=True)
def _of_background(found, second, cells, keys):
    """Copy the keys ``second`` to ``found``, but 0 on cells, where nothing is looked for."""
    for x in range(len(found)):
        found[x] = second[x] if cells[x] == keys.none else found.dtype.type(0)


@njit(cache=True)
def _largest(row):
    largest = row[0]
    for x in range(len(row)):
        largest = max(largest, row[x])
    return largest


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
