"""Objects brought into contact: copies of an image's objects, set beside others (copy-paste, Ghiasi et al., CVPR 2021).

For training images whose objects seldom touch, so that a network learns where one ends and the next begins.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects

from .. import symmetries

HALO = 8  # pixels around an object that are copied too, fading into the image
TRIES = 10  # drawings of an object, a neighbour and a direction for every copy


class Cutting(NamedTuple):
    """An object with its halo. grey float[..., y, x], relative to the background around it; mask bool[y, x]; share
    float[y, x], how much of each pixel is copied: 1 on the object, fading around it, 0 on others."""

    grey: np.ndarray
    mask: np.ndarray
    share: np.ndarray


def add_contacts(image, labels, count, rng):
    """``image`` float[y, x] or [c, y, x] and its ``labels`` int[y, x], both copied, with up to ``count`` more objects.

    Objects are numbered from 1. Each new one is a copy of an object that lies wholly inside, in a random symmetry,
    pushed up to another one from a random direction. Where there is no room for it, nothing is added. Only what is
    known to be background is covered, and objects without any around them are not copied.
    """
    image, labels = image.copy(), numbered(labels)
    boxes = enumerate(find_objects(np.maximum(labels, 0)), 1)
    inner = [(k, box) for k, box in boxes if inside(box, labels) and (labels[widened(box)] == 0).any()]
    for _ in range(count if inner else 0):
        for _ in range(TRIES):
            cutting = cut_out(image, labels, *inner[rng.integers(len(inner))], rng)
            corner = beside(labels, inner[rng.integers(len(inner))][1], cutting.mask, rng.uniform(0, 2 * np.pi))
            if corner is not None:
                insert(image, labels, cutting, corner)
                break
    return image, labels


def numbered(labels):
    """``labels`` with the objects numbered from 1; background and unknown pixels stay as they are."""
    values, places = np.unique(labels, return_inverse=True)
    number = places.reshape(labels.shape) - (values <= 0).sum() + 1
    return np.where(labels > 0, number, labels).astype(np.int32)


def inside(box, labels):
    """Whether an object's ``box`` (slices y, x) and its halo lie within the image."""
    return all(s.start >= 0 and s.stop <= n for s, n in zip(widened(box), labels.shape))


def widened(box):
    """``box`` with the halo."""
    return tuple(slice(s.start - HALO, s.stop + HALO) for s in box)


def cut_out(image, labels, label, box, rng):
    """The `Cutting` of one object in a random symmetry."""
    box = widened(box)
    mask, background = labels[box] == label, labels[box] == 0
    share = np.clip(1 - distance_transform_edt(~mask) / HALO, 0, 1) * (mask | background)
    grey = image[(..., *box)] - level(image[(..., *box)], background)
    name = list(symmetries.SYMMETRIES)[rng.integers(len(symmetries.SYMMETRIES))]
    return Cutting(*(symmetries.apply(name, array) for array in (grey, mask, share)))


def beside(labels, neighbour, mask, angle):
    """Corner (y, x) at which ``mask`` first meets nothing labelled or unknown on its way out of the box ``neighbour``
    (slices y, x) in the direction ``angle``; None if it leaves the image before."""
    direction = np.sin(angle), np.cos(angle)
    middle = [(s.start + s.stop - n) / 2 for s, n in zip(neighbour, mask.shape)]
    for distance in range(sum(labels.shape)):
        corner = tuple(round(m + distance * d) for m, d in zip(middle, direction))
        if any(c < 0 or c + n > size for c, n, size in zip(corner, mask.shape, labels.shape)):
            return None
        if not labels[window(corner, mask)][mask].any():
            return corner
    return None


def insert(image, labels, cutting, corner):
    """Write a copy into ``image`` and ``labels``, with a new label; its halo fades, and gives way to other objects."""
    at = window(corner, cutting.mask)
    free = labels[at] == 0
    under = image[(..., *at)]
    under += (free * cutting.share * (cutting.grey + level(under, free) - under)).astype(image.dtype)
    labels[at][cutting.mask] = labels.max() + 1


def level(image, mask):
    """The median of each channel of ``image`` [..., y, x] where the ``mask`` bool[y, x] is, [..., 1, 1]."""
    return np.median(image[..., mask], axis=-1)[..., None, None]


def window(corner, mask):
    return tuple(slice(c, c + n) for c, n in zip(corner, mask.shape))
