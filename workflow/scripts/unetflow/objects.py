"""From the probabilities of a slice to objects."""

import numpy as np
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, generate_binary_structure
from scipy.ndimage import label as components
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import expand_labels, watershed


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


def neighbourhood(dimensions, connectivity):
    """bool[3, 3, 3] for components in slices (``dimensions`` 2) or in space (3).

    connectivity : 1 for shared edges (2-D) or faces (3-D), up to ``dimensions`` for corners too.
    """
    if dimensions == 3:
        return generate_binary_structure(3, connectivity)
    flat = np.zeros((3, 3, 3), bool)
    flat[1] = generate_binary_structure(2, min(connectivity, 2))
    return flat


def opposite(dimensions, connectivity):
    """Connectivity of the background where objects have ``connectivity``: what only corners shut in is a hole."""
    return dimensions if connectivity == 1 else 1


def renumbering(sizes, min_size):
    """New id of every old one, consecutive from 1; 0 for the background and for objects below ``min_size``."""
    keep = sizes >= max(1, min_size)
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0)
