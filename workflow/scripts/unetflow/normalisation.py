"""Grey values as networks see them, less a mean and divided by a standard deviation: of which images together?

Stacks and sequences of one microscope are alike, and what differs between them can matter: they are normalised by the
moments of the whole data set. Images taken one by one, with the exposure that suited each, are normalised each by its
own, as volumes, or the files of which they are stacked, are by networks trained on such.
"""

from math import sqrt

import numpy as np

UNLIKE = 0.25  # spread of the means of groups, in standard deviations within them, from which each is on its own


def moments(images, channels=1):
    """(mean, sd) of all finite pixels of ``images`` (number[..., y, x], one at least) together; sd 1 where all are
    equal. Of images [..., c, y, x] with several ``channels`` each is a list, with a number for every channel."""
    if channels > 1:
        images = list(images)
        each = (moments(image[..., k, :, :] for image in images) for k in range(channels))
        return tuple(map(list, zip(*each)))
    parts = [(image.size, image.mean(dtype=np.float64), image.var(dtype=np.float64)) for image in finite(images)]
    counts, means, variances = np.array(parts or [(1, 0.0, 0.0)]).T
    mean = np.average(means, weights=counts)
    return float(mean), sqrt(np.average(variances + (means - mean) ** 2, weights=counts)) or 1.0


def finite(images):
    """The finite pixels of each of ``images`` that has any."""
    for image in images:
        pixels = image[np.isfinite(image)] if image.dtype.kind == "f" else image
        if pixels.size:
            yield pixels


def unlike(groups):
    """Whether groups of images, of each its `moments`, differ in brightness as if they were not exposed alike."""
    means, spreads = np.moveaxis(np.array(list(groups)), 1, 0)
    return bool((means.std(axis=0) > UNLIKE * np.median(spreads, axis=0)).any())


def normalise(image, moments):
    """``image`` [..., y, x] less mean and divided by sd, float32; [..., c, y, x] where these are lists."""
    mean, sd = map(per_channel, moments)
    return (image.astype(np.float32) - mean) / sd


def repeated(moments, channels):
    """``moments`` for images [..., c, y, x] of as many ``channels``, which are those of several slices."""
    return tuple(value if np.ndim(value) == 0 else np.resize(value, channels).tolist() for value in moments)


def per_channel(values):
    """A number, or float32[c, 1, 1] of a list of them, as images [..., c, y, x] are computed with."""
    return np.float32(values) if np.ndim(values) == 0 else np.array(values, np.float32)[:, None, None]


def in_digits(values):
    """A number, or those of a list, in four digits."""
    return ", ".join(f"{value:.4g}" for value in np.atleast_1d(values))
