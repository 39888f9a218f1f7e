"""Pixel overlap of objects and prediction at probability 0.5: IoU (Jaccard) and Dice; unknown pixels don't count."""

from ..weights import IGNORE

THRESHOLD = 0.5


def counts(labels, probability, ignore=IGNORE):
    """(true positives, false positives, false negatives) over pixels; arrays of one shape."""
    known = labels != ignore
    truth, found = (labels > 0) & known, (probability > THRESHOLD) & known
    return int((truth & found).sum()), int((found & ~truth).sum()), int((truth & ~found).sum())


def iou(labels, probability, ignore=IGNORE):
    """Intersection over union of labels > 0 and probability > 0.5; 1 if both are empty."""
    tp, fp, fn = counts(labels, probability, ignore)
    return tp / (tp + fp + fn) if tp + fp + fn else 1.0


def dice(labels, probability, ignore=IGNORE):
    """Dice coefficient of labels > 0 and probability > 0.5; 1 if both are empty."""
    tp, fp, fn = counts(labels, probability, ignore)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0
