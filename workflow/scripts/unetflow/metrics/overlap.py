"""Pixel overlap of objects and prediction at probability 0.5: IoU (Jaccard) and Dice; unknown pixels don't count.

Both take labels (int, > 0 object, ``IGNORE`` unknown) and probability as [y, x], [z, y, x] or lists of [y, x];
counts are summed over slices.
"""

from .. import IGNORE
from .slices import pairs

THRESHOLD = 0.5


def counts(labels, probability):
    """(true positives, false positives, false negatives) over all pixels with a known label."""
    tp = fp = fn = 0
    for truth, found in pairs(labels, probability):
        known, found = truth != IGNORE, found > THRESHOLD
        tp += int((found & (truth > 0)).sum())
        fp += int((found & (truth <= 0) & known).sum())
        fn += int((~found & (truth > 0)).sum())
    return tp, fp, fn


def iou(labels, probability):
    """Intersection over union of labels > 0 and probability > 0.5; 1 if both are empty."""
    tp, fp, fn = counts(labels, probability)
    return tp / (tp + fp + fn) if tp + fp + fn else 1.0


def dice(labels, probability):
    """Dice coefficient of labels > 0 and probability > 0.5; 1 if both are empty."""
    tp, fp, fn = counts(labels, probability)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0
