"""From probabilities to objects: of a slice, and of volumes larger than memory."""

from itertools import count

import numpy as np
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
from scipy.ndimage import label as components
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import expand_labels, watershed

from .blocks import widened
from .volumes.joining import Components, neighbourhood
from .volumes.parallel import in_parallel


def segment(probability, min_size=0, grow=0, **how):
    """Objects of one slice as int32[y, x], 0 = background, ids consecutive from 1.

    probability : float[y, x] of an object. how : what else `pieces` takes. min_size : smaller ones (pixels) are
    dropped. grow : pixels by which objects then grow without merging, to take back the gap that
    `unetflow.weights.separate_touching` puts between them.
    """
    return tidied(pieces(probability, **how), min_size, grow)


def pieces(probability, threshold=0.5, connectivity=1, fill_holes=False, seed_threshold=None, inside=None, neck=None):
    """Connected components int[y, x] of what exceeds ``threshold``, numbered from 1.

    connectivity : 1 (edges) or 2 (corners too). fill_holes : background enclosed by an object becomes part of it.
    seed_threshold : objects are flooded from the components of what exceeds it, instead. inside : float[y, x], the
    probability of being off the border too, where networks know a border class: then objects are flooded from what
    exceeds ``seed_threshold`` (or else ``threshold``) in it. neck : objects are flooded from the `cores` of what they
    would be flooded from, or be, without it.
    """
    neighbours = neighbourhood(2, connectivity)[1]
    foreground = probability > threshold
    if fill_holes:
        foreground = binary_fill_holes(foreground, neighbourhood(2, opposite(2, connectivity))[1])
    if seed_threshold is None and inside is not None:
        seed_threshold = threshold
    if seed_threshold is None and neck is None:
        return components(foreground, neighbours)[0]
    inside = probability if inside is None else inside
    seeds, heights = foreground, -inside
    if seed_threshold is not None:
        seeds = foreground & (inside > seed_threshold)
    if neck is not None:
        heights = -depth(seeds)
        seeds = cores(-heights, neck, neighbours)
    return watershed(heights, components(seeds, neighbours)[0], neighbours, mask=foreground)


def depth(mask, voxel_size=(1, 1)):
    """Distance of each pixel of ``mask`` bool[y, x] or [z, y, x] from what is not in it, smoothed, float64; 0 outside.

    voxel_size : along each axis. What lies beyond the image counts as nothing: objects may go on there.
    """
    if mask.all():
        return np.full(mask.shape, max(np.multiply(mask.shape, voxel_size)))
    smooth = np.divide(min(voxel_size), voxel_size)  # enough that the pixels of an outline make no cores
    return np.where(mask, gaussian_filter(distance_transform_edt(mask, voxel_size), smooth), 0)


def cores(depth, neck, neighbours):
    """bool like ``depth``: the thick middles of objects, one for each part that a neck sets off from thicker parts.

    A neck is no deeper than ``neck`` (between 0 and 1) times the greatest depth of the thinner part, so the size of
    objects doesn't matter: these are h-maxima (Soille, Morphological Image Analysis) of the logarithm of the depth.
    """
    heights = np.log(np.maximum(depth, np.finfo(float).tiny))
    lowered = reconstruction(heights + np.log(neck), heights, footprint=neighbours)
    highest = lowered == lowered.max()  # found by `local_maxima`, but for an image that is the same everywhere
    return (local_maxima(lowered, neighbours) | highest) & (depth > 0)


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

    prediction : `predictions.VolumePrediction`, of whose voxel size the proportions matter; slices that are smaller
    than the volume lie upper left, and nothing is beyond. grid : `blocks.Grid`. scratch : function of a name, returns
    int64[z, y, x] `shards.Shards` of the blocks of the grid. options : an entry of `segmentation`. ``.count`` is the
    number of objects.

    Connected components equal those of the whole volume. Flooded objects do as far as what lies within ``reach``
    decides.
    """

    def __init__(self, prediction, grid, scratch, options, workers=1):
        self.grid, self.options, self.workers, self.size = grid, options, workers, prediction.size
        self.inside, self.seeds_above, self.neck = prediction.foreground, options["seed_threshold"], options["neck"]
        if "border" in prediction.channels:
            self.inside = prediction.inside
            self.seeds_above = options["threshold"] if self.seeds_above is None else self.seeds_above
        self.flooded = self.seeds_above is not None or self.neck is not None
        self.dimensions = options["dimensions"]
        self.voxel_size = prediction.voxel_size if self.dimensions == 3 else (1, 1)
        self.neighbours = neighbourhood(self.dimensions, options["connectivity"])
        self.mask = above(prediction.foreground, options["threshold"])
        if options["fill_holes"]:
            self.mask = self.filled(scratch("background"))
        if not self.flooded:
            self.found = self.components(self.mask, scratch("objects"))
            sizes = np.concatenate([[0], self.found.sizes])
        else:
            self.seeds = self.components(self.seeded if self.neck is None else self.cores_in, scratch("seeds"))
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

    def seeded(self, start, stop):
        """bool[z, y, x]: what objects of a window are flooded from, but for necks."""
        mask = self.mask(start, stop)
        return mask if self.seeds_above is None else mask & (self.inside(start, stop) > self.seeds_above)

    def cores_in(self, start, stop):
        """`cores` bool[z, y, x] of a window."""
        low, high, core = self.widened(start, stop, self.options["reach"])
        return self.by_slice(lambda d, n: cores(d, self.neck, n), low, self.depth_in(low, high))[core]

    def depth_in(self, start, stop):
        """`depth` float64[z, y, x] of what is seeded in a window."""
        return self.by_slice(lambda seeded, _: depth(seeded, self.voxel_size), start, self.seeded(start, stop))

    def flood(self, block):
        """Flood one block from all seeds within reach; returns the voxels of every object in it."""
        start, stop, core = self.widened(block.start, block.stop, self.options["reach"])

        def flooded():
            heights = -(self.inside if self.neck is None else self.depth_in)(start, stop)
            seeds, mask = self.seeds.read(start, stop), self.mask(start, stop)
            return self.by_slice(lambda h, s, m, n: watershed(h, s, n, mask=m), start, heights, seeds, mask)[core]

        labels = self.store.kept(block, flooded)
        return np.bincount(labels.ravel(), minlength=len(self.seeds.sizes) + 1)

    def widened(self, start, stop, margin):
        """`blocks.widened` by a margin, along z only where objects lie in space."""
        return widened(start, stop, (margin if self.dimensions == 3 else 0, margin, margin), self.grid.shape)

    def by_slice(self, function, start, *arrays):
        """``function`` of arrays [z, y, x] of a window and the neighbourhood: slice by slice in 2-D, as far as each
        goes, all at once in 3-D."""
        if self.dimensions == 3:
            return function(*arrays, self.neighbours)
        return np.stack([self.in_slice(function, z, start, *one) for z, *one in zip(count(start[0]), *arrays)])

    def in_slice(self, function, z, start, *arrays):
        """``function`` of what arrays [y, x] of a window hold of the slice ``z``; 0 beyond."""
        filled = tuple(slice(0, max(0, n - a)) for n, a in zip(self.size(z), start[1:]))
        parts = [one[filled] for one in arrays]
        found = function(*parts, self.neighbours[1]) if parts[0].size else np.zeros(parts[0].shape, bool)
        return np.pad(found, [(0, n - m) for n, m in zip(arrays[0].shape, found.shape)])

    def read(self, start, stop):
        """Objects int64[z, y, x] of a window, numbered from 1."""
        low, high, core = self.widened(start, stop, self.options["grow"])
        if not self.flooded:
            labels = self.number[self.found.read(low, high)]
        else:
            labels = self.number[self.store[tuple(map(slice, low, high))]]
        if self.options["grow"]:
            labels = self.by_slice(lambda one, _: expand_labels(one, self.options["grow"]), low, labels)
        return labels[core]
