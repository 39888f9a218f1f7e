"""The measures of the ISBI 2012 EM segmentation challenge (Arganda-Carreras et al. 2015, Front. Neuroanat. 9:142).

Inputs are labels (> 0 = cell interior) and the probability of cell interior, both [y, x], [z, y, x] or lists of
[y, x]. All is two-dimensional, slice by slice; objects are 4-connected. A proposal is cut at thresholds 0, 0.1, ...,
and the best one for the whole stack counts: that sweep is part of the measures' definition, not a choice of ours.
Where a label is unknown (``IGNORE``) truth and proposal both count as membrane, which costs nothing.
"""

import numpy as np
from scipy.ndimage import label as components

from .. import IGNORE
from .slices import as_slices, pairs, parted
from .thinning import thinned
from .warping import count_mismatches, warp

# Adding up 0.1 gives the reference's thresholds to the last bit; ties depend on it.
THRESHOLDS = tuple(float(t) for t in np.cumsum([0.0] + [0.1] * 10))
# Zeros and ones are the same above any threshold, but are warped in another order below, at and above 0.5.
BINARY = THRESHOLDS[4:7]


def of_objects(measure):
    """A ``measure`` below, as a function of (labels, objects): of the proposal that objects int[y, x] are.

    That is 1 in all objects but for a line one pixel wide between those that touch (`slices.parted`), and 0 elsewhere.
    """

    def measured(labels, objects):
        return measure(labels, [parted(one) > 0 for one in as_slices(objects)], thresholds=BINARY)

    return measured


def pixel_error(labels, probability, thresholds=THRESHOLDS):
    """1 - the largest F-score of the cell-interior pixels, counted over all slices."""
    slices = binary_pairs(labels, probability)
    return 1.0 - max(f_score(*pixel_counts(slices, threshold)) for threshold in thresholds)


def rand_error(labels, probability, thresholds=THRESHOLDS):
    """1 - the largest foreground-restricted Rand F-score, pair counts summed over slices, without border thinning."""
    slices = binary_pairs(labels, probability)
    return 1.0 - max(rand_of_stack(slices, threshold) for threshold in thresholds)


def warping_error(labels, probability, radius=20, thresholds=THRESHOLDS[:10]):
    """Smallest share of pixels, over thresholds, that still split or merge cells after warping the labels."""
    slices = binary_pairs(labels, probability)
    pixels = sum(truth.size for truth, _ in slices)
    errors = []
    for threshold in thresholds:
        counts = [count_mismatches(*warp(truth, p, threshold), radius) for truth, p in slices]
        errors.append(sum(c["split"] + c["merge"] for c in counts))
    return min(errors) / pixels


def v_rand(labels, probability, thresholds=THRESHOLDS):
    """Largest mean over slices of the foreground-restricted Rand F-score after thinning the proposal's borders."""
    slices = binary_pairs(labels, probability)
    return max(mean_over_slices(rand_f_score, slices, threshold) for threshold in thresholds)


def v_info(labels, probability, thresholds=THRESHOLDS):
    """Largest mean over slices of the foreground-restricted information score after thinning the proposal's borders."""
    slices = binary_pairs(labels, probability)
    scores = [mean_over_slices(information_score, slices, threshold) for threshold in thresholds]
    return float(np.nanmax(scores)) if not np.isnan(scores).all() else float("nan")


def binary_pairs(labels, probability):
    """List of (truth bool[y, x], probability float64[y, x] of its float32 value)."""
    return [
        (truth > 0, np.where(truth == IGNORE, 0.0, found.astype(np.float32).astype(np.float64)))
        for truth, found in pairs(labels, probability)
    ]


def pixel_counts(slices, threshold):
    """(tp, fp, fn) of the cell-interior pixels of all `binary_pairs`."""
    found = [(truth, p > threshold) for truth, p in slices]
    return tuple(sum(int(n.sum()) for n in kind) for kind in zip(*((t & f, f & ~t, t & ~f) for t, f in found)))


def f_score(tp, fp, fn):
    """Harmonic mean of precision and recall, each 1 where it has nothing to count; 0 if it is undefined."""
    precision = 1.0 if fp == 0 else tp / (tp + fp)
    recall = 1.0 if fn == 0 else tp / (tp + fn)
    total = precision + recall
    return 2 * precision * recall / total if total > 0 else 0.0


def rand_of_stack(slices, threshold):
    """Rand F-score of all `binary_pairs` together."""
    counts = [rand_counts(overlap(truth, components(p > threshold)[0])) for truth, p in slices]
    return f_score(*np.sum(counts, axis=0))


def mean_over_slices(score, slices, threshold):
    """Mean of ``score`` over the `binary_pairs`, with the borders of the proposals thinned."""
    return float(np.mean([score(overlap(truth, thinned(p > threshold))) for truth, p in slices]))


def overlap(truth, segments):
    """Pixel counts of objects against segments, over the foreground of the truth.

    truth bool[y, x]; segments int[y, x], 0 = border. Returns (counts of each overlap, of each object, of each
    segment, number of border pixels): border pixels count as segments of one pixel each.
    """
    objects = components(truth)[0][truth].astype(np.int64)
    found = segments[truth].astype(np.int64)
    pairs, counts = np.unique(objects * (found.max(initial=0) + 1) + found, return_counts=True)
    border = pairs % (found.max(initial=0) + 1) == 0
    sizes = np.bincount(found)[1:]
    return counts[~border], np.bincount(objects)[1:], sizes[sizes > 0], int(counts[border].sum())


def rand_counts(overlaps):
    """(tp, fp, fn) over pairs of pixels, each pixel with itself included; NaN if the truth has no foreground."""
    both, objects, segments, border = overlaps
    if len(objects) == 0:
        return np.full(3, np.nan)
    pairs_both, pairs_objects = (both.astype(float) ** 2).sum() + border, (objects.astype(float) ** 2).sum()
    pairs_segments = (segments.astype(float) ** 2).sum() + border
    return np.array([pairs_both, pairs_segments - pairs_both, pairs_objects - pairs_both])


def rand_f_score(overlaps):
    """Foreground-restricted Rand F-score of one slice; 0 if the truth has no foreground."""
    counts = rand_counts(overlaps)
    return 0.0 if np.isnan(counts).any() else f_score(*counts)


def information_score(overlaps):
    """2 I(A, B) / (H(A) + H(B)) of one slice; 0 if one of the two is a single segment."""
    both, objects, segments, border = overlaps
    total = objects.sum()
    if total == 0:
        return float("nan")
    singletons = border / total * np.log(total)
    h_objects = entropy(objects / total)
    h_segments = entropy(segments / total) + singletons
    h_both = entropy(both / total) + singletons
    if h_objects == 0 or h_segments == 0:
        return 0.0
    return float(2 * (h_objects + h_segments - h_both) / (h_objects + h_segments))


def entropy(shares):
    """Entropy in nats of positive shares."""
    return float(-(shares * np.log(shares)).sum())
