"""Blocks of a volume: the unit of reading, of writing (one block = one shard = one file) and of going on after a kill.

volume  --cut-->  blocks [z, y, x]  --cut-->  tiles [y, x] of each slice of a block
slab    =  a run of consecutive blocks, done by one job
"""

from dataclasses import dataclass
from itertools import product
from math import ceil, prod

import numpy as np

from .tiles import at_places, even_part, mirror_index

USUAL = (8, 1024, 1024)  # voxels (z, y, x) of a block, about
STEP = 16  # of its sides, so that they can be cut into equal chunks


@dataclass(frozen=True)
class Block:
    """A part of a volume: its place in the grid of blocks, first voxel, and the one after its last; each (z, y, x)."""

    place: tuple[int, int, int]
    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self):
        return tuple(b - a for a, b in zip(self.start, self.stop))

    @property
    def slices(self):
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop))


@dataclass(frozen=True)
class Grid:
    """How a volume of ``shape`` is cut into blocks of at most ``block``, both (z, y, x)."""

    shape: tuple[int, int, int]
    block: tuple[int, int, int]

    @property
    def counts(self):
        """Number of blocks along (z, y, x)."""
        return tuple(-(-size // part) for size, part in zip(self.shape, self.block))

    def __len__(self):
        return prod(self.counts)

    def __getitem__(self, number):
        """The block with this number, in raster order (x fastest)."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        place = tuple(int(i) for i in np.unravel_index(number, self.counts))
        start = tuple(i * part for i, part in zip(place, self.block))
        return Block(place, start, tuple(min(a + part, n) for a, part, n in zip(start, self.block, self.shape)))

    def slab(self, item):
        """The blocks of one slab; ``item`` as Snakemake's scatteritem, "2-of-4"."""
        number, count = (int(part) for part in item.split("-of-"))
        first, last = ((number - 1) * len(self) // count, number * len(self) // count)
        return [self[k] for k in range(first, last)]

    def faces(self):
        """(block, axis) of every face with another block beyond."""
        for block, axis in product(self, range(3)):
            if block.stop[axis] < self.shape[axis]:
                yield block, axis


def fitting_block(shape, block, stride):
    """``block`` (z, y, x) cut down to a volume of ``shape``, y and x rounded up to the network's stride; for None
    `even_block`."""
    if block is None:
        return even_block(shape, stride)
    whole = (shape[0], *(-(-size // stride) * stride for size in shape[1:]))
    return tuple(min(a, b) for a, b in zip(whole, block))


def even_block(shape, stride):
    """A block (z, y, x) of about `USUAL` voxels that cuts the slices of a volume evenly: a narrow rest beside large
    blocks would be computed for its border, mostly. y and x are multiples of the stride."""
    multiple = stride * ceil(STEP / stride)
    parts = [max(1, round(size / usual)) for size, usual in zip(shape[1:], USUAL[1:])]
    sides = [even_part(size, count, multiple) for size, count in zip(shape[1:], parts)]
    return (min(shape[0], USUAL[0], max(1, prod(USUAL) // prod(sides))), *sides)


def widened(start, stop, margins, shape):
    """(start, stop, slices of the window in it) of a window with ``margins`` (z, y, x), cut off at ``shape``."""
    low = tuple(max(a - m, 0) for a, m in zip(start, margins))
    high = tuple(min(b + m, n) for b, m, n in zip(stop, margins, shape))
    return low, high, tuple(slice(a - i, b - i) for a, b, i in zip(start, stop, low))


def read_mirrored(source, start, stop):
    """Window [z, y, x] of a `sources.Source`, or [z, c, y, x] of several channels, mirrored where it leaves the volume,
    or its slices, which are of one size."""
    size = source.shape[0], *source.size(max(start[0], 0))
    slices, rows, columns = places = [mirror_index(a, b - a, n) for a, b, n in zip(start, stop, size)]
    low, high = [one.min() for one in places], [one.max() + 1 for one in places]
    window = source.read(low, high)
    if not np.array_equal(slices, range(low[0], high[0])):
        window = window[slices - low[0]]
    return at_places(window, rows - low[1], columns - low[2])
