"""The warping of the warping error (Jain et al. 2010), in the order of the ISBI 2012 reference.

The labels are changed pixel by pixel towards the proposal, but only where that leaves the topology as it is: simple
points of 4-connected foreground and 8-connected background. What can't be changed are topological errors.
"""

import numpy as np
from numba import njit
from scipy.ndimage import label as components

KINDS = ("merge", "split", "hole_addition", "object_deletion", "object_addition", "hole_deletion")
MERGE, SPLIT, HOLE_ADDITION, OBJECT_DELETION, OBJECT_ADDITION, HOLE_DELETION = range(len(KINDS))
# The 8 neighbours (dy, dx) in a circle; edge neighbours at even places.
CIRCLE = np.array([(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)])


def warp(truth, probability, threshold):
    """Warp ``truth`` bool[y, x] towards ``probability`` > ``threshold``; returns (warped bool[y, x], mismatches bool).

    Mismatching pixels are tried column by column, those with the clearest probability first, again and again until
    nothing changes.
    """
    proposal = probability > threshold
    x, y = np.nonzero((truth != proposal).T)
    clearest_first = np.argsort(-np.abs(probability[y, x] - threshold).astype(np.float32), kind="stable")
    warped = np.pad(truth, 1).astype(np.uint8)
    _flip_simple_points(warped, y[clearest_first] + 1, x[clearest_first] + 1, SIMPLE)
    warped = warped[1:-1, 1:-1].astype(bool)
    return warped, warped != proposal


def count_mismatches(warped, mismatches, radius):
    """Number of remaining mismatch pixels of each kind of `KINDS`, as a dict."""
    kinds = mismatch_kinds(warped, mismatches, radius)
    return {name: int((kinds == kind).sum()) for kind, name in enumerate(KINDS)}


def mismatch_kinds(warped, mismatches, radius):
    """Kind (index into `KINDS`) of each mismatching pixel in the order of np.nonzero; int64[n].

    A white pixel between two regions splits if blackening it cuts its object within ``radius`` (local window).
    """
    y, x = map(np.ascontiguousarray, np.nonzero(mismatches))  # of one layout, which is compiled once
    objects = components(warped)[0]
    if radius > min(warped.shape):
        radius = max(warped.shape)
    return _classify(warped.astype(np.uint8), objects.astype(np.int32), y, x, radius)


def _simple_table():
    """bool[256]: whether a pixel with these 8 neighbours (bits in the order of `CIRCLE`) is simple."""
    return np.array([_is_simple(np.array([code >> k & 1 for k in range(8)])) for code in range(256)])


def _is_simple(ring):
    """One 4-component of white touching the centre by an edge, and one 8-component of black, in the neighbourhood."""
    black = _runs(1 - ring, corners_join=True)
    return len([run for run in _runs(ring) if any(k % 2 == 0 for k in run)]) == 1 and len(black) == 1


def _runs(ring, corners_join=False):
    """Connected sets of the ones of a ring of 8; with ``corners_join``, edge neighbours touch across a corner."""
    ones, sets = {int(k) for k in np.flatnonzero(ring)}, []
    while ones:
        todo, found = [ones.pop()], set()
        while todo:
            k = todo.pop()
            found.add(k)
            near = {(k + 1) % 8, (k - 1) % 8}
            if corners_join and k % 2 == 0:
                near |= {(k + 2) % 8, (k - 2) % 8}
            todo += near & ones
            ones -= near
        sets.append(found)
    return sets


SIMPLE = _simple_table()


@njit(cache=True)
def _flip_simple_points(image, y, x, simple):
    """Flip simple points of uint8[y, x] among the candidates, in their order, until a pass changes nothing. Those that
    are left stand at the beginning of ``y`` and ``x`` then."""
    waiting = len(y)
    while True:
        left = 0
        for k in range(waiting):
            code = 0
            for bit in range(8):
                code |= image[y[k] + CIRCLE[bit, 0], x[k] + CIRCLE[bit, 1]] << bit
            if simple[code]:
                image[y[k], x[k]] ^= 1
            else:
                y[left], x[left] = y[k], x[k]
                left += 1
        if left == waiting:
            return
        waiting = left


@njit(cache=True)
def _classify(warped, objects, ys, xs, radius):
    height, width = warped.shape
    kinds = np.empty(len(ys), np.int64)
    for i in range(len(ys)):
        y, x = ys[i], xs[i]
        values = np.empty(8, np.int32)
        count, has_background = 0, False
        for k in range(8):
            ny, nx = y + CIRCLE[k, 0], x + CIRCLE[k, 1]
            if 0 <= ny < height and 0 <= nx < width:
                value = objects[ny, nx]
                has_background |= value == 0
                if not (values[:count] == value).any():
                    values[count] = value
                    count += 1
        white = warped[y, x] != 0
        if count == 1:
            if has_background:
                kinds[i] = OBJECT_DELETION if white else OBJECT_ADDITION
            else:
                kinds[i] = HOLE_ADDITION if white else HOLE_DELETION
        elif count > 2:
            kinds[i] = SPLIT if white else MERGE
        elif white:
            kinds[i] = SPLIT if _cuts_window(warped, y, x, radius) else HOLE_DELETION
        else:
            kinds[i] = HOLE_ADDITION
    return kinds


@njit(cache=True)
def _cuts_window(warped, y, x, radius):
    """Whether the white neighbours of (y, x) fall apart, within the window, when it is made black."""
    height, width = warped.shape
    top, left = max(0, y - radius), max(0, x - radius)
    bottom, right = min(height, y + radius + 1), min(width, x + radius + 1)
    seen = np.zeros((bottom - top, right - left), np.uint8)
    seen[y - top, x - left] = 1
    stack = np.empty(((bottom - top) * (right - left), 2), np.int64)
    pieces, has_background = 0, False
    for k in range(8):
        ny, nx = y + CIRCLE[k, 0], x + CIRCLE[k, 1]
        if not (top <= ny < bottom and left <= nx < right):
            has_background = True  # outside the image counts as black
            continue
        if warped[ny, nx] == 0:
            has_background = True
            continue
        if seen[ny - top, nx - left]:
            continue
        pieces += 1
        stack[0, 0], stack[0, 1] = ny, nx
        seen[ny - top, nx - left] = 1
        depth = 1
        while depth:
            depth -= 1
            cy, cx = stack[depth]
            for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                by, bx = cy + dy, cx + dx
                if top <= by < bottom and left <= bx < right and warped[by, bx] and not seen[by - top, bx - left]:
                    seen[by - top, bx - left] = 1
                    stack[depth, 0], stack[depth, 1] = by, bx
                    depth += 1
    return pieces + has_background > 2
