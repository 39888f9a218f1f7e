"""Metrics of objects and pixels of a volume, added up block by block; equal to those of the volume held in memory.

What is kept is one number per pair of a true object and a found one that share voxels.
"""

import numpy as np

from .isbi2012 import information_score, rand_f_score
from .slices import numbered

MANY = 2_000_000  # pairs that may wait until they are added up


class Counts:
    """Shared voxels of truth and result, and voxels right and wrong of the foreground."""

    def __init__(self):
        self.pairs, self.waiting = np.zeros((0, 4), np.int64), []
        self.tp = self.fp = self.fn = 0

    def add(self, truth, found, foreground, part=0):
        """Count a block: truth int (0 background, `IGNORE` unknown), found int (0 background), foreground bool.

        part : objects of the truth in different parts (slices, where objects are two-dimensional) are different ones.
        """
        self.tp += int((foreground & (truth > 0)).sum())
        self.fp += int((foreground & (truth == 0)).sum())
        self.fn += int((~foreground & (truth > 0)).sum())
        true_ids, rows = numbered(truth)
        found_ids, columns = numbered(found)
        keys, which = numbered(rows * len(found_ids) + columns)
        counts = np.bincount(which.ravel())
        row, column = np.divmod(keys, len(found_ids))
        self.wait(np.stack([np.full(len(keys), part), true_ids[row], found_ids[column], counts], axis=1))

    def save(self, path):
        """Write what was counted to ``path``, an .npz file."""
        self.compact()
        np.savez(path, pairs=self.pairs, pixels=[self.tp, self.fp, self.fn])

    def include(self, path):
        """Add what was saved to ``path``."""
        with np.load(path) as saved:
            self.tp, self.fp, self.fn = (int(n) for n in saved["pixels"] + [self.tp, self.fp, self.fn])
            self.wait(saved["pairs"])

    def wait(self, pairs):
        """Keep ``pairs`` int[n, 4] (part, true object, found object, shared voxels) until they are many."""
        self.waiting.append(pairs)
        if sum(map(len, self.waiting)) > MANY:
            self.compact()

    def compact(self):
        """Add up equal pairs."""
        rows = np.concatenate([self.pairs, *self.waiting]).astype(np.int64)
        order = np.lexsort(rows[:, 2::-1].T)
        rows, self.waiting = rows[order], []
        new = np.ones(len(rows), bool)
        new[1:] = (np.diff(rows[:, :3], axis=0) != 0).any(axis=1)
        sums = np.add.reduceat(rows[:, 3], np.flatnonzero(new)) if len(rows) else rows[:, 3]
        self.pairs = np.column_stack([rows[new, :3], sums])

    def metrics(self):
        """Dict of all metrics: of pixels (iou, dice), of pairs of voxels, and of objects."""
        self.compact()
        wrong = self.fp + self.fn
        overlaps = self.overlaps()
        return {
            "iou": self.tp / (self.tp + wrong) if self.tp + wrong else 1.0,
            "dice": 2 * self.tp / (2 * self.tp + wrong) if self.tp + wrong else 1.0,
            "rand_f_score": rand_f_score(overlaps),
            "information_score": information_score(overlaps),
            **self.of_objects(),
        }

    def overlaps(self):
        """As `isbi2012.overlap`, for any objects: (shared voxels, sizes of objects, of results, border voxels)."""
        part, truth, found, count = self.pairs[self.pairs[:, 1] > 0].T
        _, objects = np.unique(np.stack([part, truth]), axis=1, return_inverse=True)
        _, results = np.unique(found[found > 0], return_inverse=True)
        shared = count[found > 0]
        sizes = np.bincount(objects.ravel(), weights=count), np.bincount(results.ravel(), weights=shared)
        return shared, *sizes, int(count[found == 0].sum())

    def of_objects(self):
        """SEG, DET and their mean (`metrics.ctc`)."""
        part, truth, found, count = self.pairs.T
        _, result_of = np.unique(found, return_inverse=True)
        result_size = np.bincount(result_of.ravel(), weights=count)[result_of.ravel()]
        inside = truth > 0
        keys, object_of = np.unique(np.stack([part, truth])[:, inside], axis=1, return_inverse=True)
        object_of, total = object_of.ravel(), keys.shape[1]
        if not total:
            return {"seg": float("nan"), "det": float("nan"), "op_csb": float("nan")}
        object_size = np.bincount(object_of, weights=count[inside], minlength=total)[object_of]
        match = (found[inside] > 0) & (2 * count[inside] > object_size)
        union = object_size + result_size[inside] - count[inside]
        seg = float((count[inside] / union)[match].sum() / total)
        matches = np.unique(found[inside][match], return_counts=True)[1]
        results = len(np.unique(found[(found > 0) & (truth >= 0)]))  # what lies in the unknown doesn't count
        errors = 5 * (matches - 1).sum() + 10 * (total - match.sum()) + (results - len(matches))
        det = float(1 - min(errors, 10 * total) / (10 * total))
        return {"seg": seg, "det": det, "op_csb": (seg + det) / 2}
