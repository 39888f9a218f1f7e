"""From probabilities to objects: of a slice, and of volumes larger than memory."""

from itertools import count

import numpy as np
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
from scipy.ndimage import label as components
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import expand_labels, watershed

from . import BORDER
from .blocks import widened
from .volumes.joining import Components, neighbourhood
from .volumes.parallel import in_parallel


def segment(probability, min_size=0, grow=0, classes=None, number=1, **how):
    """(objects of one slice int32[y, x], 0 = background, ids consecutive from 1; how many of each class).

    probability : float[y, x] of an object. how : what else `pieces` takes. min_size : smaller ones (pixels) are
    dropped. grow : pixels by which objects then grow without merging, to take back the gap that
    `unetflow.weights.separate_touching` puts between them. classes : see `pieces`. number : of classes of objects.
    """
    found = tidied(pieces(probability, classes=classes, **how), min_size)
    return tidied(found, grow=grow), counts_of_classes(found, classes, number)


def pieces(probability, threshold=0.5, connectivity=1, fill_holes=False, inside=None, classes=None, **seeds):
    """Connected components int[y, x] of what exceeds ``threshold``, numbered from 1.

    connectivity : 1 (edges) or 2 (corners too). fill_holes : background enclosed by an object becomes part of it.
    inside : float[y, x], the probability of being off the border too, where networks know a border class. classes :
    int[y, x], the most probable class of objects, from 1, where there are several: an object is of one class, and those
    of a class are numbered before those of the next. seeds : ``seed_threshold`` and ``neck`` of `apart`; objects are
    flooded from what exceeds ``threshold`` in ``inside``, if that is given and no ``seed_threshold``.
    """
    neighbours = neighbourhood(2, connectivity)[1]
    foreground = probability > threshold
    if fill_holes:
        foreground = binary_fill_holes(foreground, neighbourhood(2, opposite(2, connectivity))[1])
    if inside is not None and seeds.get("seed_threshold") is None:
        seeds["seed_threshold"] = threshold
    heights = probability if inside is None else inside
    if classes is None:
        return apart(foreground, heights, neighbours, **seeds)
    found = np.zeros(foreground.shape, np.int64)
    for number in np.unique(classes[foreground]):
        mine = apart(foreground & (classes == number), heights, neighbours, **seeds)
        found += np.where(mine, mine + found.max(), 0)
    return found


def apart(foreground, inside, neighbours, seed_threshold=None, neck=None):
    """The objects int[y, x] in ``foreground`` bool[y, x]: its components, or what is flooded from seeds in it.

    inside : float[y, x], of which seeds are the components of what exceeds ``seed_threshold``. neck : seeds are the
    `cores` of what objects would be flooded from, or be, without it.
    """
    if seed_threshold is None and neck is None:
        return components(foreground, neighbours)[0]
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


def counts_of_classes(labels, classes, number):
    """How many objects each class has, a list of ``number``. labels int[y, x], not grown; classes as for `pieces`."""
    ids, places = np.unique(labels, return_index=True)
    of_objects = np.ones(labels.size, int) if classes is None else classes.ravel()
    return np.bincount(of_objects[places[ids > 0]], minlength=number + 1)[1:].tolist()


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


def of_class(mask, classes, number):
    """``mask``, a function of (start, stop), where what the function ``classes`` of them returns is ``number``."""
    return lambda start, stop: mask(start, stop) & (classes(start, stop) == number)


class VolumeObjects:
    """The objects of a volume, found block by block and joined across faces; ``read`` gives any window of them.

    prediction : `predictions.VolumePrediction`, of whose voxel size the proportions matter; slices that are smaller
    than the volume lie upper left, and nothing is beyond. grid : `blocks.Grid`. scratch : function of a name, returns
    int64[z, y, x] `shards.Shards` of the blocks of the grid. options : an entry of `segmentation`. ``.counts`` are the
    numbers of objects of each class of the prediction; those of a class are numbered before those of the next.

    Connected components equal those of the whole volume. Flooded objects do as far as what lies within ``reach``
    decides.
    """

    def __init__(self, prediction, grid, scratch, options, workers=1):
        self.grow = options["grow"]
        mask, masks = above(prediction.foreground, options["threshold"]), {}
        if options["fill_holes"]:
            mask = filled(mask, scratch("background"), grid, options, workers)
        for number, name in enumerate(prediction.objects, 1):
            masks[name] = of_class(mask, prediction.classes, number) if len(prediction.objects) > 1 else mask
        self.parts = [
            ObjectsOfClass(part, prediction, grid, lambda what, name=name: scratch(f"{what} {name}"), options, workers)
            for name, part in masks.items()
        ]
        numbers = [renumbering(part.sizes, options["min_size"]) for part in self.parts]
        self.counts = [int(number.max()) for number in numbers]
        before = np.cumsum([0, *self.counts])
        self.numbers = [np.where(number, number + first, 0) for number, first in zip(numbers, before)]

    def read(self, start, stop):
        """Objects int64[z, y, x] of a window, numbered from 1."""
        first = self.parts[0]
        low, high, core = first.widened(start, stop, self.grow)
        labels = sum(number[part.read(low, high)] for number, part in zip(self.numbers, self.parts))
        if self.grow:
            labels = first.by_slice(lambda one, _: expand_labels(one, self.grow), low, labels)
        return labels[core]


def filled(mask, store, grid, options, workers):
    """``mask`` with its holes: background that is not connected to the volume's (in 2-D: the slice's) border."""
    dimensions = options["dimensions"]
    around = neighbourhood(dimensions, opposite(dimensions, options["connectivity"]))
    background = Components(lambda b: ~mask(b.start, b.stop), store, grid, around, workers)
    hole = ~background.at_border((0, 1, 2) if dimensions == 3 else (1, 2))
    hole[0] = False
    return lambda start, stop: mask(start, stop) | hole[background.read(start, stop)]


class ObjectsOfClass:
    """Those in ``mask``, a function of (start, stop) that returns bool[z, y, x]; the rest as for `VolumeObjects`.

    ``.sizes`` are the voxels of each; index 0 is unused.
    """

    def __init__(self, mask, prediction, grid, scratch, options, workers):
        self.mask, self.grid, self.options, self.size = mask, grid, options, prediction.size
        self.inside, self.seeds_above, self.neck = prediction.foreground, options["seed_threshold"], options["neck"]
        if BORDER in prediction.channels:
            self.inside = prediction.inside
            self.seeds_above = options["threshold"] if self.seeds_above is None else self.seeds_above
        self.flooded = self.seeds_above is not None or self.neck is not None
        self.dimensions = options["dimensions"]
        self.voxel_size = prediction.voxel_size if self.dimensions == 3 else (1, 1)
        self.neighbours = neighbourhood(self.dimensions, options["connectivity"])
        if not self.flooded:
            self.found = self.components(mask, scratch("objects"), workers)
            self.sizes = np.concatenate([[0], self.found.sizes])
        else:
            seeded = self.seeded if self.neck is None else self.cores_in
            self.seeds, self.store = self.components(seeded, scratch("seeds"), workers), scratch("objects")
            self.sizes = sum(in_parallel(self.flood, list(grid), workers))

    def components(self, mask, store, workers):
        return Components(lambda b: mask(b.start, b.stop), store, self.grid, self.neighbours, workers)

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
        """Objects int64[z, y, x] of a window, as numbered in ``.sizes``."""
        return self.store[tuple(map(slice, start, stop))] if self.flooded else self.found.read(start, stop)
