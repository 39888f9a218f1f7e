"""From probabilities to objects: of a slice, and of volumes larger than memory."""

import numpy as np
from scipy.ndimage import binary_fill_holes
from scipy.ndimage import label as components
from skimage.segmentation import expand_labels, watershed

from .joining import Components, neighbourhood
from .parallel import in_parallel


def segment(probability, threshold=0.5, connectivity=1, min_size=0, fill_holes=False, grow=0, seed_threshold=None):
    """Objects of one slice as int32[y, x], 0 = background, ids consecutive from 1.

    probability : float[y, x] of being inside an object; objects are connected components of what exceeds
    ``threshold``. connectivity : 1 (edges) or 2 (corners too). min_size : smaller ones (pixels) are dropped.
    fill_holes : background enclosed by an object becomes part of it. grow : pixels by which objects then grow
    without merging, to take back the gap that `unetflow.weights.separate_touching` puts between them.
    seed_threshold : objects are flooded from the components of what exceeds it, instead.
    """
    return tidied(pieces(probability, threshold, connectivity, fill_holes, seed_threshold), min_size, grow)


def pieces(probability, threshold=0.5, connectivity=1, fill_holes=False, seed_threshold=None):
    """The first half of `segment`: components or flooded regions int[y, x], numbered from 1."""
    neighbours = neighbourhood(2, connectivity)[1]
    foreground = probability > threshold
    if fill_holes:
        foreground = binary_fill_holes(foreground, neighbourhood(2, opposite(2, connectivity))[1])
    if seed_threshold is None:
        return components(foreground, neighbours)[0]
    seeds, _ = components((probability > seed_threshold) & foreground, neighbours)
    return watershed(-probability, seeds, neighbours, mask=foreground)


def tidied(labels, min_size=0, grow=0):
    """The second half of `segment`: ``labels`` int[y, x] without small objects, renumbered and grown; int32[y, x]."""
    labels = renumbering(np.bincount(labels.ravel()), min_size)[labels].astype(np.int32)
    return expand_labels(labels, grow) if grow else labels


def slice_options(options):
    """What `segment` takes of a `segmentation` entry of the configuration."""
    return {key: value for key, value in options.items() if key not in ("dimensions", "reach", "choose")}


def opposite(dimensions, connectivity):
    """Connectivity of the background where objects have ``connectivity``: what only corners shut in is a hole."""
    return dimensions if connectivity == 1 else 1


def renumbering(sizes, min_size):
    """New id of every old one, consecutive from 1; 0 for the background and for objects below ``min_size``."""
    keep = sizes >= max(1, min_size)
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0)


class VolumeObjects:
    """The objects of a volume, found block by block and joined across faces; ``read`` gives any window of them.

    foreground : function of (start, stop), returns the probability float32[z, y, x] of a window. grid : `blocks.Grid`.
    scratch : function of a name, returns int64[z, y, x] `shards.Shards` of the blocks of the grid.
    options : an entry of `segmentation`. ``.count`` is the number of objects.

    Connected components equal those of the whole volume. Flooded objects do as far as the seeds within ``reach``
    decide.
    """

    def __init__(self, foreground, grid, scratch, options, workers=1):
        self.probability, self.grid, self.options, self.workers = foreground, grid, options, workers
        self.dimensions = options["dimensions"]
        self.neighbours = neighbourhood(self.dimensions, options["connectivity"])
        self.mask = self.above(options["threshold"])
        if options["fill_holes"]:
            self.mask = self.filled(scratch("background"))
        if options["seed_threshold"] is None:
            self.found = self.components(self.mask, scratch("objects"))
            sizes = np.concatenate([[0], self.found.sizes])
        else:
            seeded = self.above(options["seed_threshold"])
            self.seeds = self.components(lambda *w: seeded(*w) & self.mask(*w), scratch("seeds"))
            self.store = scratch("objects")
            sizes = sum(in_parallel(self.flood, list(grid), workers))
        self.number = renumbering(sizes, options["min_size"])
        self.count = int(self.number.max())

    def above(self, threshold):
        return lambda start, stop: self.probability(start, stop) > threshold

    def components(self, mask, store, neighbours=None):
        neighbours = self.neighbours if neighbours is None else neighbours
        return Components(lambda b: mask(b.start, b.stop), store, self.grid, neighbours, self.workers)

    def filled(self, store):
        """The mask with its holes: background that is not connected to the volume's (in 2-D: the slice's) border."""
        around = neighbourhood(self.dimensions, opposite(self.dimensions, self.options["connectivity"]))
        open_mask = self.mask
        background = self.components(lambda *w: ~open_mask(*w), store, around)
        hole = ~background.at_border((0, 1, 2) if self.dimensions == 3 else (1, 2))
        hole[0] = False
        return lambda start, stop: open_mask(start, stop) | hole[background.read(start, stop)]

    def flood(self, block):
        """Flood one block from all seeds within reach; returns the voxels of every object in it."""
        start, stop, core = self.widened(block.start, block.stop, self.options["reach"])

        def flooded():
            heights, seeds, mask = -self.probability(start, stop), self.seeds.read(start, stop), self.mask(start, stop)
            return self.by_slice(lambda h, s, m, n: watershed(h, s, n, mask=m), heights, seeds, mask)[core]

        labels = self.store.kept(block, flooded)
        return np.bincount(labels.ravel(), minlength=len(self.seeds.sizes) + 1)

    def widened(self, start, stop, margin):
        """(start, stop, slices of the window in it) of a window with a margin, cut off at the volume's border."""
        margins = (margin if self.dimensions == 3 else 0, margin, margin)
        low = tuple(max(a - m, 0) for a, m in zip(start, margins))
        high = tuple(min(b + m, n) for b, m, n in zip(stop, margins, self.grid.shape))
        return low, high, tuple(slice(a - i, b - i) for a, b, i in zip(start, stop, low))

    def by_slice(self, function, *arrays):
        """``function`` of arrays [z, y, x] and the neighbourhood: slice by slice in 2-D, all at once in 3-D."""
        if self.dimensions == 3:
            return function(*arrays, self.neighbours)
        return np.stack([function(*slices, self.neighbours[1]) for slices in zip(*arrays)])

    def read(self, start, stop):
        """Objects int64[z, y, x] of a window, numbered from 1."""
        low, high, core = self.widened(start, stop, self.options["grow"])
        if self.options["seed_threshold"] is None:
            labels = self.number[self.found.read(low, high)]
        else:
            labels = self.number[self.store[tuple(map(slice, low, high))]]
        if self.options["grow"]:
            labels = self.by_slice(lambda one, _: expand_labels(one, self.options["grow"]), labels)
        return labels[core]
