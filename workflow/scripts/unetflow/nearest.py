"""Distances of background pixels to the nearest and the second nearest cell, in time linear in the pixels."""

from typing import NamedTuple

import numpy as np
from numba import njit

SEGMENT = 256  # pixels of a row that are looked at together


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
        _copy(nearest[y, inside], above[0])
        _copy(second[y, inside], above[1])
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
            _copy(found[0], nearest[y, reach + start : reach + stop])
            _of_background(found[1], second[y, reach + start : reach + stop], cells[y, start:stop], keys)
            for dx in range(1, reach + 1):
                if steps[dx] >= _largest(found[1]):
                    break  # columns further off hold nothing nearer
                for shift in (reach - dx, reach + dx):
                    columns = slice(start + shift, stop + shift)
                    _merge(*found, nearest[y, columns], second[y, columns], steps[dx], keys)
            _to_distances(found[0], keys)
            _to_distances(found[1], keys)
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
def _copy(found, row):
    """``found[:] = row``, without Numba's check of lengths: its message takes longer to compile than all else here."""
    for x in range(len(row)):
        found[x] = row[x]


@njit(cache=True)
def _of_background(found, second, cells, keys):
    """Copy the keys ``second`` to ``found``, but 0 on cells, where nothing is looked for."""
    for x in range(len(found)):
        found[x] = second[x] if cells[x] == keys.none else found.dtype.type(0)


@njit(cache=True)
def _to_distances(row, keys):
    """Keys to what stands in their high bits."""
    for x in range(len(row)):
        row[x] >>= keys.shift


@njit(cache=True)
def _largest(row):
    largest = row[0]
    for x in range(len(row)):
        largest = max(largest, row[x])
    return largest
