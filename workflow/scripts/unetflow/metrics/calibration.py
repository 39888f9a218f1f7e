"""Whether probabilities mean what they say, and whether their spread tells where they are wrong.

All take slices as the other metrics do: labels (int, > 0 object, ``IGNORE`` unknown) and floats as [y, x], [z, y, x] or
lists of [y, x]. Pixels with an unknown label don't count.
"""

import numpy as np

from .. import IGNORE
from .overlap import THRESHOLD
from .slices import pairs

BINS = 15  # of equal width, as many as Guo et al. (On Calibration of Modern Neural Networks, ICML 2017) use


class Bins:
    """Pixels by a value between 0 and ``highest``: how many are in each bin, the sum of the values, how many events."""

    def __init__(self, highest=1.0):
        self.edges = np.linspace(0, highest, BINS + 1)
        self.pixels, self.values, self.events = (np.zeros(BINS) for _ in range(3))

    def add(self, values, events):
        """Count ``values`` float[n] with what happened there, ``events`` bool[n]."""
        bins = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, BINS - 1)
        self.pixels += np.bincount(bins, minlength=BINS)
        self.values += np.bincount(bins, weights=values, minlength=BINS)
        self.events += np.bincount(bins, weights=events, minlength=BINS)

    def rows(self):
        """A dict per bin that has pixels: low, high, pixels, mean (of the values), share (of events)."""
        for k in np.flatnonzero(self.pixels):
            means = {
                name: float(sums[k] / self.pixels[k]) for name, sums in (("mean", self.values), ("share", self.events))
            }
            yield {"low": self.edges[k], "high": self.edges[k + 1], "pixels": int(self.pixels[k])} | means


def reliability(labels, probability):
    """`Bins` of the probability of being inside an object, with how often that is so."""
    bins = Bins()
    for truth, found in pairs(labels, probability):
        known = truth != IGNORE
        bins.add(found[known], truth[known] > 0)
    return bins


def errors_by_spread(labels, probability, spread):
    """`Bins` of the spread of the probability (0 to 0.5), with how often the class at 0.5 is wrong."""
    bins = Bins(highest=0.5)
    for (truth, found), (_, wide) in zip(pairs(labels, probability), pairs(labels, spread)):
        known = truth != IGNORE
        bins.add(wide[known], (found[known] > THRESHOLD) != (truth[known] > 0))
    return bins


def ece(labels, probability):
    """Expected calibration error: by how much, on average, the probability of a bin is off the share of objects in it.

    As Guo et al. define it, but of the probability of being inside an object instead of that of the likelier class, so
    that probabilities that are too high for objects and too high for background don't hide each other. 0 is perfect.
    NaN without any known pixel.
    """
    bins = reliability(labels, probability)
    return float(np.abs(bins.values - bins.events).sum() / bins.pixels.sum()) if bins.pixels.any() else float("nan")
