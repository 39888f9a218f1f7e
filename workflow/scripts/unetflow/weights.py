"""The border weight map of the U-Net paper (equation 2), in time linear in the pixels.

    w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))        on background pixels, w_c(x) on cells

with d1 and d2 the distances (pixels) to the nearest and to the second nearest cell.
"""

import numpy as np
from numba import njit

from . import IGNORE

FORMS = ("none", "classes", "2015", "2019")
NEGLIGIBLE = 1e-7  # border weights below this are not looked for


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
    cells = np.where(known, labels, 0).astype(np.int64)
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
    d1, _ = two_nearest(cells, reach=int(6 * sigma), wanted=cells == 0)
    return ratio + (1 - ratio) * np.exp(-(d1**2) / (2 * sigma**2))


def border_term(cells, w0, sigma):
    """w0 exp(-(d1 + d2)^2 / (2 sigma^2)) on the background, 0 on cells, float64[y, x]; cells int[y, x]."""
    if w0 <= NEGLIGIBLE:
        return np.zeros(cells.shape)
    reach = int(np.ceil(sigma * np.sqrt(2 * np.log(w0 / NEGLIGIBLE))))
    d1, d2 = two_nearest(cells, reach, wanted=cells == 0)
    return w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def two_nearest(cells, reach, wanted):
    """Distances (float64[y, x], pixels) to the nearest and second nearest cell of the ``wanted`` pixels (bool[y, x]).

    inf beyond ``reach`` and at pixels that are not wanted.

    Separable and exact: if a cell is one of the two nearest to a pixel, then in the column of its closest point it
    is also one of the two nearest, or two others are at least as near. So two labels per column suffice, however
    many cells there are.
    """
    nearest = _nearest_in_columns(np.ascontiguousarray(cells, np.int64), reach)
    squared = _combine_columns(*nearest, reach, wanted)
    return np.sqrt(squared[0]), np.sqrt(squared[1])


@njit(cache=True)
def _nearest_in_columns(cells, reach):
    """Per pixel, the two nearest distinct cells of its own column: labels int64[2, y, x], distances int64[2, y, x]."""
    height, width = cells.shape
    far = 4 * (reach + 1)
    label = np.zeros((2, height, width), np.int64)
    distance = np.full((2, height, width), far, np.int64)
    for direction in (1, -1):
        first, last = (0, height) if direction == 1 else (height - 1, -1)
        for x in range(width):
            near, near_at, next_, next_at = 0, 0, 0, 0  # the two cells met last, and where
            for y in range(first, last, direction):
                here = cells[y, x]
                if here != 0:
                    if here != near:
                        next_, next_at = near, near_at
                    near, near_at = here, y
                if near != 0:
                    _insert(label[:, y, x], distance[:, y, x], near, abs(y - near_at), reach)
                if next_ != 0:
                    _insert(label[:, y, x], distance[:, y, x], next_, abs(y - next_at), reach)
    return label, distance


@njit(cache=True)
def _combine_columns(label, distance, reach, wanted):
    """Squared distances float64[2, y, x] to the two nearest cells, from the two nearest of every column."""
    _, height, width = label.shape
    squared = np.full((2, height, width), np.inf)
    best_label = np.zeros(2, np.int64)
    best = np.zeros(2, np.int64)
    far = 4 * (reach + 1) ** 2
    for y in range(height):
        for x in range(width):
            if not wanted[y, x]:
                continue
            best_label[:] = 0
            best[:] = far
            for dx in range(reach + 1):
                if dx * dx >= best[1]:
                    break
                for side in range(2 if dx else 1):
                    column = x + dx if side == 0 else x - dx
                    if 0 <= column < width:
                        for k in range(2):
                            if label[k, y, column] != 0:
                                at = distance[k, y, column] ** 2 + dx * dx
                                _insert(best_label, best, label[k, y, column], at, reach * reach)
            for k in range(2):
                if best_label[k] != 0:
                    squared[k, y, x] = best[k]
    return squared


@njit(cache=True)
def _insert(labels, distances, label, distance, limit):
    """Keep the two nearest distinct labels, nearest first."""
    if distance > limit:
        return
    if label == labels[0]:
        distances[0] = min(distances[0], distance)
    elif distance < distances[0]:
        labels[1], distances[1] = labels[0], distances[0]
        labels[0], distances[0] = label, distance
    elif label == labels[1]:
        distances[1] = min(distances[1], distance)
    elif distance < distances[1]:
        labels[1], distances[1] = label, distance


def separate_touching(labels):
    """Part touching cells by a background gap one pixel wide; int[y, x] in and out.

    A pixel becomes background if one of its right, lower or diagonal lower neighbours belongs to another cell, so
    that of every touching pair just one pixel goes. This changes the target of training, never the truth.
    """
    labels = np.asarray(labels)
    padded = np.pad(labels, ((0, 1), (1, 1)))
    height, width = labels.shape
    touching = np.zeros(labels.shape, bool)
    for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
        neighbour = padded[dy : dy + height, 1 + dx : 1 + dx + width]
        touching |= (neighbour > 0) & (neighbour != labels)
    return np.where(touching & (labels > 0), 0, labels)
