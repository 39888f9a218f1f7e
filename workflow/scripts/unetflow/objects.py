"""From probabilities to objects."""

import numpy as np
from scipy.ndimage import binary_fill_holes
from scipy.ndimage import label as components
from skimage.segmentation import expand_labels

CONNECTIVITY = {1: None, 2: np.ones((3, 3))}


def segment(probability, threshold=0.5, connectivity=1, min_size=0, fill_holes=False, grow=0):
    """Objects of one slice as int32[y, x], 0 = background, ids consecutive from 1.

    probability : float[y, x] of being inside an object; objects are connected components of what exceeds
    ``threshold``. connectivity : 1 (edges) or 2 (corners too). min_size : smaller ones (pixels) are dropped.
    fill_holes : background enclosed by an object becomes part of it. grow : pixels by which objects then grow
    without merging, to take back the gap that `unetflow.weights.separate_touching` puts between them.
    """
    foreground = probability > threshold
    if fill_holes:
        foreground = fill_holes_of_objects(foreground, connectivity)
    labels, count = components(foreground, CONNECTIVITY[connectivity])
    keep = np.bincount(labels.ravel(), minlength=count + 1) >= min_size
    keep[0] = False
    renumbered = np.where(keep, np.cumsum(keep), 0)
    labels = renumbered[labels].astype(np.int32)
    return expand_labels(labels, grow) if grow else labels


def fill_holes_of_objects(foreground, connectivity):
    """Fill the holes of bool[y, x]; background that only corners shut in is a hole if objects join at corners."""
    structure = np.ones((3, 3)) if connectivity == 1 else None
    return binary_fill_holes(foreground, structure)
