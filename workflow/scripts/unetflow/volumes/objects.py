"""The objects of volumes larger than memory."""

from itertools import count

import numpy as np
from skimage.segmentation import expand_labels, watershed

from .. import BORDER
from ..blocks import widened
from ..objects import cores, depth, neighbourhood, opposite, renumbering
from .joining import Components
from .parallel import in_parallel


def above(values, threshold):
    """Function of (start, stop): where what the function ``values`` of them returns exceeds ``threshold``."""
    return lambda start, stop: values(start, stop) > threshold


def equal(values, number):
    """Function of (start, stop): where what the function ``values`` of them returns is ``number``."""
    return lambda start, stop: values(start, stop) == number


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
        mask, names = above(prediction.foreground, options["threshold"]), prediction.objects
        if options["fill_holes"]:
            mask = filled(mask, scratch("background"), grid, options, workers)
        masks = {names[0]: mask}
        if len(names) > 1:
            classes = classified(mask, prediction.classes, scratch("classes"), grid, workers)
            masks = {name: equal(classes, number) for number, name in enumerate(names, 1)}
        self.parts = [
            ObjectsOfClass(part, prediction, grid, lambda what, name=name: scratch(f"{what}_{name}"), options, workers)
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


def classified(mask, classes, store, grid, workers):
    """Function of (start, stop): the class int[z, y, x] of each voxel in ``mask``, 0 elsewhere; looked for once."""

    def found(block):
        window = block.start, block.stop
        store.kept(block, lambda: mask(*window) * classes(*window))

    for _ in in_parallel(found, list(grid), workers):
        pass
    return lambda start, stop: store[tuple(map(slice, start, stop))]


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
