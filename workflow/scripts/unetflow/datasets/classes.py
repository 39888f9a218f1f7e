"""Data sets whose label images hold classes: what the values mean, and which objects they make."""

import numpy as np
from scipy.ndimage import label as connected_components

from .. import IGNORE


def class_of_values(labels, classes):
    """The class 1, 2, ... of every pixel of ``labels`` int, 0 for what is none of them; `IGNORE` stays.

    classes : dict of a class's name -> its value in ``labels``, or a list of its values.
    """
    found = np.where(labels == IGNORE, labels, 0)
    for number, values in enumerate(classes.values(), 1):
        found[np.isin(labels, values)] = number
    return found


def as_instances(labels):
    """Instances int32 from the classes of all pixels: the 4-connected components of each; unknown pixels stay so."""
    found, count = np.where(labels == IGNORE, IGNORE, 0).astype(np.int32), 0
    for number in np.unique(labels[labels > 0]):
        pieces, more = connected_components(labels == number)
        found[pieces > 0] = pieces[pieces > 0] + count
        count += more
    return found


def shares(annotated, classes):
    """What each class covers of the annotated slices, in words."""
    known = sum((one.labels != IGNORE).sum() for one in annotated)
    counts = sum(np.bincount(one.classes.ravel(), minlength=len(classes) + 1) for one in annotated)
    return ", ".join(f"{name} {count / known:.2%}" for name, count in zip(classes, counts[1:]))


def absent_classes(annotated, classes):
    """A sentence for each class that no slice shows."""
    seen = {int(number) for one in annotated for number in np.unique(one.classes)}
    for number, name in enumerate(classes, 1):
        if number not in seen:
            yield f"no pixel is of the class {name} (value {classes[name]}); correct its value, or take it out"
