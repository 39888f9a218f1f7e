"""What metrics get: one slice, a stack, or a list of slices of different sizes."""

import numpy as np
import pandas as pd


def pairs(labels, found):
    """List of (labels[y, x], found[y, x]) from two [y, x], two [z, y, x] or two lists of [y, x].

    Raises ValueError if they don't fit together.
    """
    labels, found = as_slices(labels), as_slices(found)
    if [a.shape for a in labels] != [a.shape for a in found] or any(a.ndim != 2 for a in labels):
        shapes = [a.shape for a in labels], [a.shape for a in found]
        raise ValueError(f"truth {shapes[0]} and result {shapes[1]} must be slices [y, x] of equal sizes")
    return list(zip(labels, found))


def truths(volume, names, number=None):
    """The truth of the slices ``names`` of a `stacks.Volume`: kind (of `registry.Metric`) -> name -> int[y, x].

    number : the class of objects that all others are background to; None: there is one class, or no matter which.
    """
    labels, markers = ({name: of(name) for name in names} for of in (volume.labels, volume.markers))
    if number is not None:  # marks without an outline are of no class
        labels = markers = {
            name: np.where((volume.classes(name) == number) | (one < 0), one, 0) for name, one in labels.items()
        }
    return {
        "labels": labels,
        "parted": {name: parted(one) for name, one in labels.items()},
        "markers": markers,
    }


def parted(labels):
    """``labels`` int[y, x] with a line of background, one pixel wide, between objects that share an edge.

    For measures whose objects are the 4-connected pieces of what is not background: objects that touch would be one.
    Where none share an edge nothing changes, unlike by `weights.separate_touching`, which parts at corners too.
    """
    result = labels.copy()
    for here, beyond in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        touching = (labels[here] > 0) & (labels[beyond] > 0) & (labels[here] != labels[beyond])
        result[here][touching] = 0
    return result


def numbered(labels):
    """(ids, places): the values of an int array, ascending, and int64 of its shape, the index among them of each voxel.

    What `numpy.unique` gives, five times as fast, since nothing is sorted but the values.
    """
    places, ids = pd.factorize(np.ravel(labels), sort=True)
    return ids, places.reshape(np.shape(labels))


def as_slices(images):
    if isinstance(images, np.ndarray) and images.ndim == 2:
        return [images]
    return [np.asarray(image) for image in images]
