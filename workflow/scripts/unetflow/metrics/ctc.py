"""Measures of the Cell Tracking Challenge (Maska et al. 2023, Nature Methods 20:1010): SEG, DET and their mean.

Inputs are integer labels of the same frames, 0 = background: [y, x], [frame, y, x] or lists of [y, x]. A result object
matches a reference object if it covers more than half of it. Where the reference is negative, nothing is known: a
result object that lies wholly there does not count.
"""

import numpy as np

from .slices import numbered, pairs


def seg(reference, result):
    """Mean Jaccard index over all reference objects of all frames, 0 for those without a match; NaN without any."""
    scores = []
    for overlaps in (_Overlaps(*frame) for frame in pairs(reference, result)):
        for row, size in zip(overlaps.shared, overlaps.reference_sizes):
            best = int(row.argmax()) if row.size else 0
            shared = row[best] if row.size else 0
            union = size + overlaps.result_sizes[best] - shared if 2 * shared > size else 1
            scores.append(shared / union if 2 * shared > size else 0.0)
    return float(np.mean(scores)) if scores else float("nan")


def det(reference, result):
    """1 - (5 NS + 10 FN + FP) / (10 x reference objects), at least 0: splits, misses and false positives."""
    splits = misses = false_positives = objects = 0
    for overlaps in (_Overlaps(*frame) for frame in pairs(reference, result)):
        matches = 2 * overlaps.shared > overlaps.reference_sizes[:, None]
        per_result = matches.sum(axis=0)
        misses += int((~matches.any(axis=1)).sum())
        false_positives += int((per_result == 0).sum())
        splits += int(np.maximum(per_result - 1, 0).sum())
        objects += len(overlaps.reference_sizes)
    if objects == 0:
        return float("nan")
    return 1 - min(5 * splits + 10 * misses + false_positives, 10 * objects) / (10 * objects)


def op_csb(reference, result, markers=None):
    """Overall performance of the cell segmentation benchmark: the mean of `seg` and `det`.

    markers : what `det` compares with, if it is another truth than the outlines.
    """
    return (seg(reference, result) + det(reference if markers is None else markers, result)) / 2


# Each measure with what of the truth it looks at: outlines (labels), and markers, which are on every object.
MEASURES = {"seg": (seg, ("labels",)), "det": (det, ("markers",)), "op_csb": (op_csb, ("labels", "markers"))}


class _Overlaps:
    """Sizes of the objects of one frame in both label images, and shared int64[reference object, result object]."""

    def __init__(self, reference, result):
        reference_ids, rows = numbered(reference)
        result_ids, columns = numbered(result)
        shape = (len(reference_ids), len(result_ids))
        table = np.bincount(rows.ravel() * shape[1] + columns.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
        rows = reference_ids > 0
        columns = (result_ids > 0) & table[reference_ids >= 0].any(axis=0)
        self.shared = table[np.ix_(rows, columns)]
        self.reference_sizes = table.sum(axis=1)[rows]
        self.result_sizes = table.sum(axis=0)[columns]
