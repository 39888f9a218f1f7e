"""Which slices train, which validate, which test; never both.

Neighbouring slices of a stack show the same cells, so a test part is a contiguous slab, with guard slices on its
borders that belong to nothing.
"""

import numpy as np

from ..errors import InputError

PARTS = ("train", "validation", "test", "guard")


def slabs(names, groups, folds, guard, validation, seed):
    """Contiguous slabs of the stack in turn as test part; ``guard`` slices beside it unused; then validation."""
    for test in np.array_split(np.arange(len(names)), folds):
        distance = np.maximum(test[0] - np.arange(len(names)), np.arange(len(names)) - test[-1])
        outside = [i for i in np.argsort(distance, kind="stable") if distance[i] > guard]
        yield _split(names, test, outside[:validation], np.flatnonzero((distance > 0) & (distance <= guard)))


def by_group(names, groups, folds, guard, validation, seed):
    """Each group (sequence, file) in turn as test part; the last annotated slices of the others validate."""
    for group in sorted(set(groups)):
        test = [i for i, g in enumerate(groups) if g == group]
        rest = [i for i, g in enumerate(groups) if g != group]
        yield _split(names, test, rest[len(rest) - validation :], [])


def independent(names, groups, folds, guard, validation, seed):
    """Images that have nothing to do with each other: shuffled (by ``seed``), then cut into test parts."""
    order = np.random.default_rng(seed).permutation(len(names))
    for test in np.array_split(order, folds):
        rest = [i for i in order if i not in set(test)]
        yield _split(names, test, rest[:validation], [])


METHODS = {"slabs": slabs, "groups": by_group, "images": independent}


def make_splits(slices, method, folds, guard=0, validation=0, seed=0):
    """dict fold -> part -> names, over the annotated training slices, and fold "all" with everything for training.

    ``slices`` are entries of a volume's metadata. The official test images, if there are any, are the test part of
    "all". Slices of the part "silver" train in the folds that test on no slice of their group, and "all". Raises
    InputError if some fold would have nothing to train on.
    """
    usable = [s for s in slices if s["part"] == "train" and s["annotated"]]
    names, groups = [s["name"] for s in usable], [s["group"] for s in usable]
    if method != "groups" and not 2 <= folds <= len(names):
        raise InputError(f"folds: {folds} can't be made of {len(names)} annotated slices; choose 2 to {len(names)}")
    if method == "groups" and len(set(groups)) < 2:
        raise InputError(
            f"split method groups needs two groups or more, there is only {groups[0]!r}; use slabs or images"
        )
    splits = {str(k): s for k, s in enumerate(METHODS[method](names, groups, folds, guard, validation, seed))}
    official = [s["name"] for s in slices if s["part"] == "test"]
    splits["all"] = {"train": names, "validation": [], "test": official, "guard": []}
    group_of = dict(zip(names, groups))
    for split in splits.values():
        tested = {group_of.get(name) for name in split["test"]}
        split["train"] = split["train"] + [
            s["name"] for s in slices if s["part"] == "silver" and s["group"] not in tested
        ]
    check(splits)
    return splits


def check(splits):
    """Raise InputError if two parts of a fold share a slice, or if a fold has nothing to train on."""
    for fold, split in splits.items():
        named = [name for part in PARTS for name in split[part]]
        if len(named) != len(set(named)):
            twice = next(name for name in named if named.count(name) > 1)
            raise InputError(f"slice {twice!r} is in two parts of fold {fold}; give every slice a name of its own")
        if not split["train"]:
            raise InputError(f"fold {fold} leaves nothing to train on; use fewer folds, guard or validation slices")


def _split(names, test, validation, guard):
    used = {*map(int, test), *map(int, validation), *map(int, guard)}
    return {
        "train": [name for i, name in enumerate(names) if i not in used],
        "validation": [names[i] for i in sorted(validation)],
        "test": [names[i] for i in sorted(test)],
        "guard": [names[i] for i in sorted(guard)],
    }
