"""Overlap tiles (Fig. 2 of the U-Net paper): what to read, what to write, mirrored borders.

            read = write + context on every side, mirrored where it leaves the image
          +-----------------------+
          |   +---------------+   |
          |   |     write     |   |    the writes partition the image exactly
          |   +---------------+   |
          +-----------------------+

Offsets are multiples of the network's stride: otherwise the pooling grid shifts from tile to tile, and tiles show.
"""

from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np


@dataclass(frozen=True)
class Tile:
    """``write``: slices (y, x) of the image that this tile fills; ``read``: start and shape (y, x) of its input."""

    write: tuple[slice, slice]
    read_start: tuple[int, int]
    read_shape: tuple[int, int]


def tiles(shape, tile, model):
    """All tiles of an image of ``shape`` (y, x), each writing at most ``tile`` (y, x) pixels.

    Raises ValueError if the tile is not a positive multiple of ``model.stride``.
    """
    check_tile(tile, model.stride)
    read_shape = model.valid_shape(tuple(size + 2 * model.context for size in tile))
    starts = [range(0, length, size) for length, size in zip(shape, tile)]
    return [
        Tile(
            write=tuple(slice(s, min(s + size, length)) for s, size, length in zip(start, tile, shape)),
            read_start=tuple(s - model.context for s in start),
            read_shape=read_shape,
        )
        for start in product(*starts)
    ]


def fitting_tile(shape, tile, stride):
    """The tile (y, x) that cuts an image of ``shape`` into equal parts, as few as ``tile`` does, which is the largest
    that it may be: a narrow rest would cost as much as a whole tile.

    Raises ValueError if ``tile`` is not a positive multiple of the stride.
    """
    check_tile(tile, stride)
    return tuple(even_part(length, ceil(length / size), stride) for length, size in zip(shape, tile))


def even_part(length, parts, stride):
    """The smallest multiple of ``stride`` of which ``parts`` cover ``length``."""
    return ceil(length / parts / stride) * stride


def check_tile(tile, stride):
    if any(size < 1 or size % stride for size in tile):
        raise ValueError(f"a tile of {tuple(tile)} pixels shows: its sides must be multiples of {stride}")


def mirror_index(start, length, size):
    """Indices ``start .. start + length`` of an axis of ``size``, mirrored at both ends without repeating the edge."""
    index = np.arange(start, start + length)
    if size == 1:
        return np.zeros_like(index)
    index = np.mod(index, 2 * (size - 1))
    return np.minimum(index, 2 * (size - 1) - index)


def at_places(image, rows, columns):
    """``image[..., y, x]`` at every pair of ``rows`` and ``columns``, one axis after the other, which takes half the
    time; a view where nothing is mirrored."""
    top, left = rows.min(), columns.min()
    image = image[..., top : rows.max() + 1, left : columns.max() + 1]
    for axis, places in ((-1, columns - left), (-2, rows - top)):
        if not np.array_equal(places, np.arange(image.shape[axis])):
            image = image.take(places, axis)
    return image


def read_window(image, start, shape, outside=None):
    """Window of ``image[..., y, x]`` at ``start`` of ``shape``, both (y, x), mirrored where it leaves the image, or
    ``outside`` there (a number, or an array [..., 1, 1])."""
    size = image.shape[-2:]
    rows, columns = map(mirror_index, start, shape, size)
    window = at_places(image, rows, columns)
    if outside is None:
        return window
    y, x = (np.arange(s, s + n) for s, n in zip(start, shape))
    inside = np.logical_and.outer((y >= 0) & (y < size[0]), (x >= 0) & (x < size[1]))
    return np.where(inside, window, outside)
