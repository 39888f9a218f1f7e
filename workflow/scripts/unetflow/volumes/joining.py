"""Connected components of a volume, found block by block and joined across the faces of the blocks.

The result equals, up to the numbering, that of labelling the whole volume at once, for any block size. Memory holds
one block per worker and a few numbers per object.
"""

from itertools import product

import numpy as np
from scipy.ndimage import label as components
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .parallel import in_parallel

LONG_CUT = 8  # voxels of an object on a block's face from which on its ending there is no accident


class Components:
    """Components of a mask of a volume.

    mask : function of a `blocks.Block`, returns bool[z, y, x]. store : int64[z, y, x] `shards.Shards` to hold labels
    between the two passes, of the blocks of ``grid``. neighbours : from `objects.neighbourhood`.
    """

    def __init__(self, mask, store, grid, neighbours, workers=1):
        self.mask, self.store, self.grid, self.neighbours, self.workers = mask, store, grid, neighbours, workers
        # A label is the number of its block times this, plus its number within the block: no block need know another.
        self.span = int(np.prod(grid.block)) + 1
        sizes = list(in_parallel(self.label_block, range(len(grid)), workers))
        self.first = np.cumsum([0, *map(len, sizes)])  # number of labels before each block
        pairs = list(in_parallel(self.pairs_of_block, range(len(grid)), workers))
        self._number(np.concatenate(sizes), np.concatenate(pairs))

    def label_block(self, number):
        """Label one block in the store; returns the sizes of its components in voxels."""
        block = self.grid[number]

        def labelled():
            labels, _ = components(self.mask(block), self.neighbours)
            return np.where(labels, labels + np.int64(number * self.span), 0)

        return np.bincount(self.store.kept(block, labelled).ravel() % self.span, minlength=1)[1:]

    def pairs_of_block(self, number):
        """Labels (dense, int64[n, 2]) that touch across the faces between a block and the next ones along each axis."""
        block, found = self.grid[number], [np.zeros((0, 2), np.int64)]
        for axis in range(3):
            offsets = [o for o in np.argwhere(self.neighbours) - 1 if o[axis] == 1]
            if offsets and block.stop[axis] < self.grid.shape[axis]:
                here, beyond = self.both_sides(block, axis)
                found += [touching(here, beyond, np.delete(offset, axis)) for offset in offsets]
        return np.unique(np.concatenate(found), axis=0)

    def both_sides(self, block, axis):
        """The last plane of a block and the one beyond, dense labels, with a margin of 1; 0 outside the volume."""
        low = [a - (k != axis) for k, a in enumerate(block.start)]
        high = [b + (k != axis) for k, b in enumerate(block.stop)]
        low[axis], high[axis] = block.stop[axis] - 1, block.stop[axis] + 1
        inside = [(max(a, 0), min(b, n)) for a, b, n in zip(low, high, self.grid.shape)]
        values = self.dense(self.store[tuple(slice(a, b) for a, b in inside)])
        values = np.pad(values, [(i - a, b - j) for (i, j), a, b in zip(inside, low, high)])
        return np.moveaxis(values, axis, 0)

    def dense(self, labels):
        """Labels as they are stored -> 1, 2, ... without gaps, in the order of blocks; 0 stays."""
        return np.where(labels, self.first[labels // self.span] + labels % self.span, 0)

    def _number(self, sizes, pairs):
        """Join the labels of ``pairs``; sets ``.sizes`` of the components and ``.component`` of every dense label."""
        count = len(sizes)
        graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0] - 1, pairs[:, 1] - 1)), shape=(count, count))
        total, member = connected_components(graph, directed=False) if count else (0, np.zeros(0, int))
        self.component = np.concatenate([[0], member + 1]).astype(np.int64)
        self.sizes = np.bincount(member, weights=sizes, minlength=total).astype(np.int64)

    def at_border(self, axes):
        """bool per component (1, 2, ...; index 0 unused): whether it touches the volume's border along ``axes``."""
        touches = np.zeros(len(self.sizes) + 1, bool)
        for block, axis in product(self.grid, axes):
            for at in (0, self.grid.shape[axis] - 1):
                if block.start[axis] <= at < block.stop[axis]:
                    touches[self.component[self.dense(self.store[planes(block, axis, at, at + 1)])]] = True
        return touches

    def read(self, start, stop):
        """Components int64[z, y, x] of a window, numbered from 1."""
        return self.component[self.dense(self.store[tuple(map(slice, start, stop))])]


def touching(here, beyond, shift):
    """Pairs int64[n, 2] of labels of two planes that meet when ``beyond`` is shifted; both have a margin of 1."""
    rows, columns = (slice(1, n - 1) for n in here.shape)
    moved = beyond[rows.start + shift[0] : rows.stop + shift[0], columns.start + shift[1] : columns.stop + shift[1]]
    pairs = np.stack([here[rows, columns].ravel(), moved.ravel()], axis=1)
    return np.unique(pairs[(pairs > 0).all(axis=1)], axis=0)


def straight_cuts(labels, grid, axes, size):
    """(ids of objects cut straight at a block's face, faces looked at); ``labels`` int[z, y, x], across ``axes``.

    An object is cut if at some face at least LONG_CUT of its voxels lie there and most have something else beyond, but
    for the image's end. size : function of z, the (y, x) of the slice.
    """
    cut, faces = set(), 0
    for block, axis in grid.faces():
        if axis not in axes:
            continue
        where = planes(block, axis, block.stop[axis] - 1, block.stop[axis] + 1)
        here, beyond = np.moveaxis(np.asarray(labels[where]), axis, 0)
        if axis:
            goes_on = [size(z)[axis - 1] > block.stop[axis] for z in range(block.start[0], block.stop[0])]
            beyond = np.where(np.array(goes_on)[:, None], beyond, here)
        faces += 1
        for one, other in ((here, beyond), (beyond, here)):
            ids, place = np.unique(one, return_inverse=True)
            on_face = np.bincount(place.ravel())
            ending = np.bincount(place.ravel(), weights=(one != other).ravel())
            cut |= set(ids[(ids > 0) & (on_face >= LONG_CUT) & (2 * ending > on_face)].tolist())
    return cut, faces


def planes(block, axis, first, last):
    """Slices of a block with ``first`` to ``last`` in place of its own range along ``axis``."""
    return tuple(slice(first, last) if k == axis else own for k, own in enumerate(block.slices))
