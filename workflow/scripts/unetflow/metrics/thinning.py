"""Border thinning of a binary proposal: cells flood the membrane until they meet (ISBI 2012, script of January 2016).

Dams where two floods meet can be two pixels wide in places, depending on the order of the flood; the numbers of the
challenge depend on that order, so it is kept: first in, first out, starting column by column.
"""

import numpy as np
from numba import njit
from scipy.ndimage import label as components

UNTOUCHED, DAM, QUEUED = -3, 0, -2


def thinned(foreground):
    """Segments of ``foreground`` bool[y, x] after thinning the background between them: int32[y, x], 0 = border.

    Without any foreground the whole image is one segment.
    """
    if not foreground.any():
        return np.ones(foreground.shape, np.int32)
    state = np.where(foreground, components(foreground)[0], UNTOUCHED).astype(np.int32)
    _flood(state)
    return np.maximum(state, 0)


@njit(cache=True)
def _flood(state):
    height, width = state.shape
    queue = np.empty((height * width, 2), np.int32)
    head = tail = 0
    for x in range(width):
        for y in range(height):
            if state[y, x] == UNTOUCHED and _touches_basin(state, y, x):
                queue[tail, 0], queue[tail, 1] = y, x
                tail += 1
    for i in range(tail):
        state[queue[i, 0], queue[i, 1]] = QUEUED
    flag = False  # one for the whole slice, as in the reference
    while head < tail:
        y, x = queue[head]
        head += 1
        for dy, dx in ((0, -1), (-1, 0), (0, 1), (1, 0)):
            ny, nx = y + dy, x + dx
            if not (0 <= ny < height and 0 <= nx < width):
                continue
            neighbour, own = state[ny, nx], state[y, x]
            if neighbour > 0:
                if own == QUEUED or (own == DAM and flag):
                    state[y, x] = neighbour
                elif own > 0 and own != neighbour:
                    state[y, x] = DAM
                    flag = False
            elif neighbour == DAM:
                if own == QUEUED:
                    state[y, x] = DAM
                    flag = True
            elif neighbour == UNTOUCHED:
                state[ny, nx] = QUEUED
                queue[tail, 0], queue[tail, 1] = ny, nx
                tail += 1


@njit(cache=True)
def _touches_basin(state, y, x):
    height, width = state.shape
    return (
        (x > 0 and state[y, x - 1] > 0)
        or (y > 0 and state[y - 1, x] > 0)
        or (x < width - 1 and state[y, x + 1] > 0)
        or (y < height - 1 and state[y + 1, x] > 0)
    )
