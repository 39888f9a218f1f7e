"""From probabilities to objects: of a slice, and of volumes larger than memory."""

import numpy as np
from scipy.ndimage import binary_fill_holes
from scipy.ndimage import label as components
from skimage.segmentation import expand_labels, watershed

from .joining import Components, neighbourhood
from .parallel import in_parallel


def segment(probability, min_size=0, grow=0, **how):
    """Objects of one slice as int32[y, x], 0 = background, ids consecutive from 1.

    probability : float[y, x] of an object. how : what else `pieces` takes. min_size : smaller ones (pixels) are
    dropped. grow : pixels by which objects then grow without merging, to take back the gap that
    `unetflow.weights.separate_touching` puts between them.
    """
    return tidied(pieces(probability, **how), min_size, grow)


def pieces(probability, threshold=0.5, connectivity=1, fill_holes=False, seed_threshold=None, inside=None):
    """Connected components int[y, x] of what exceeds ``threshold``, numbered from 1.

    connectivity : 1 (edges) or 2 (corners too). fill_holes : background enclosed by an object becomes part of it.
    seed_threshold : objects are flooded from the components of what exceeds it, instead. inside : float[y, x], the
    probability of being off the border too, where networks know a border class: then objects are flooded from what
    exceeds ``seed_threshold`` (or else ``threshold``) in it.
    """
    neighbours = neighbourhood(2, connectivity)[1]
    foreground = probability > threshold
    if fill_holes:
        foreground = binary_fill_holes(foreground, neighbourhood(2, opposite(2, connectivity))[1])
    if seed_threshold is None and inside is None:
        return components(foreground, neighbours)[0]
    inside = probability if inside is None else inside
    seeded = inside > (threshold if seed_threshold is None else seed_threshold)
    seeds, _ = components(seeded & foreground, neighbours)
    return watershed(-inside, seeds, neighbours, mask=foreground)


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


def above(values, threshold):
    """Function of (start, stop): where what the function ``values`` of them returns exceeds ``threshold``."""
    return lambda start, stop: values(start, stop) > threshold


class VolumeObjects:
    """The objects of a volume, found block by block and joined across faces; ``read`` gives any window of them.

    foreground : function of (start, stop), returns the probability float32[z, y, x] of a window. grid : `blocks.Grid`.
    scratch : function of a name, returns int64[z, y, x] `shards.Shards` of the blocks of the grid.
    options : an entry of `segmentation`. inside : like ``foreground``, see `segment`, or None. ``.count`` is the number
    of objects.

    Connected components equal those of the whole volume. Flooded objects do as far as the seeds within ``reach``
    decide.
    """

    def __init__(self, foreground, grid, scratch, options, workers=1, inside=None):
        self.probability, self.grid, self.options, self.workers = foreground, grid, options, workers
        self.inside, seeds_above = inside or foreground, options["seed_threshold"]
        self.flooded = inside is not None or seeds_above is not None
        self.dimensions = options["dimensions"]
        self.neighbours = neighbourhood(self.dimensions, options["connectivity"])
        self.mask = above(self.probability, options["threshold"])
        if options["fill_holes"]:
            self.mask = self.filled(scratch("background"))
        if not self.flooded:
            self.found = self.components(self.mask, scratch("objects"))
            sizes = np.concatenate([[0], self.found.sizes])
        else:
            seeded = above(self.inside, options["threshold"] if seeds_above is None else seeds_above)
            self.seeds = self.components(lambda *w: seeded(*w) & self.mask(*w), scratch("seeds"))
            self.store = scratch("objects")
            sizes = sum(in_parallel(self.flood, list(grid), workers))
        self.number = renumbering(sizes, options["min_size"])
        self.count = int(self.number.max())

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
            heights, seeds, mask = -self.inside(start, stop), self.seeds.read(start, stop), self.mask(start, stop)
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
        if not self.flooded:
            labels = self.number[self.found.read(low, high)]
        else:
            labels = self.number[self.store[tuple(map(slice, low, high))]]
        if self.options["grow"]:
            labels = self.by_slice(lambda one, _: expand_labels(one, self.options["grow"]), labels)
        return labels[core]
