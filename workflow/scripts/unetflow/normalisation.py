"""Grey values as networks see them, less a mean and divided by a standard deviation: of which images together?

Stacks and sequences of one microscope are alike, and what differs between them can matter: they are normalised by the
moments of the whole data set. Images taken one by one, with the exposure that suited each, are normalised each by its
own, as volumes, or the files of which they are stacked, are by networks trained on such.
"""

from math import sqrt

import numpy as np

UNLIKE = 0.25  # spread of the means of groups, in standard deviations within them, from which each is on its own


def moments(images):
    """(mean, sd) of all finite pixels of ``images`` (number[...], one at least) together; sd 1 where all are equal."""
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
    """Whether groups of images, of each its (mean, sd), differ in brightness as if they were not exposed alike."""
    means, spreads = np.array(list(groups)).T
    return bool(means.std() > UNLIKE * np.median(spreads))
