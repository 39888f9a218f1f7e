"""Where objects were cut apart and where they were merged, to look at; the measures are elsewhere."""

import numpy as np

from .slices import numbered

SHARE = 0.05  # of a true object, which an overlap must have to count


def splits_and_mergers(labels, found):
    """(split, merged) bool[y, x] of true and found objects, both int[y, x] with 0 and less for none.

    split : what lies in a true object but in another found object than most of it. merged : what lies in a found
    object but in another true object than most of it. Overlaps below SHARE of the true object don't count.
    """
    true_ids, rows = numbered(labels)
    found_ids, columns = numbered(found)
    table = np.zeros((len(true_ids), len(found_ids)), np.int64)
    np.add.at(table, (rows, columns), 1)
    sizes = table.sum(axis=1, keepdims=True)
    table[true_ids <= 0] = 0
    table[:, found_ids <= 0] = 0
    counts = table > SHARE * sizes
    split, merged = counts.copy(), counts.copy()
    split[np.arange(len(table)), table.argmax(axis=1)] = False
    merged[table.argmax(axis=0), np.arange(table.shape[1])] = False
    return split[rows, columns], merged[rows, columns]
