"""Metrics by name: functions of lists of slices, so that one call gives a slice's value or the whole stack's."""

from typing import NamedTuple

import pandas as pd

from . import calibration, ctc, isbi2012, overlap


class Metric(NamedTuple):
    """``function(truth, found)`` or, of two truths, ``function(truth, found, other)``; ``best``: its perfect value.

    of : "probability" or "segmentation", what is found. truth : "labels"; "parted", which are the labels with a line of
    background between objects that touch; and "markers", which are on every object, also on those without an outline.
    """

    function: callable
    of: str
    best: float
    truth: tuple = ("labels",)


OF_OBJECTS = "_of_objects"  # ends the names of the challenge's measures where objects are measured by them
CHALLENGE = {
    "pixel_error": Metric(isbi2012.pixel_error, "probability", 0.0, ("parted",)),
    "rand_error": Metric(isbi2012.rand_error, "probability", 0.0, ("parted",)),
    "warping_error": Metric(isbi2012.warping_error, "probability", 0.0, ("parted",)),
    "v_rand": Metric(isbi2012.v_rand, "probability", 1.0, ("parted",)),
    "v_info": Metric(isbi2012.v_info, "probability", 1.0, ("parted",)),
}
METRICS = (
    CHALLENGE
    | {
        name + OF_OBJECTS: metric._replace(function=isbi2012.of_objects(metric.function), of="segmentation")
        for name, metric in CHALLENGE.items()
    }
    | {
        "iou": Metric(overlap.iou, "probability", 1.0),
        "dice": Metric(overlap.dice, "probability", 1.0),
        "ece": Metric(calibration.ece, "probability", 0.0),
    }
    | {name: Metric(function, "segmentation", 1.0, truth) for name, (function, truth) in ctc.MEASURES.items()}
)


def by_class(name, values):
    """dict metric -> value of the metric ``name``: of several classes their mean, and each by a name as in
    "dice_of_nucleus"; of one its value.

    values : dict class -> value. The mean leaves out classes whose value is NaN.
    """
    each = {f"{name}_of_{kind}": value for kind, value in values.items()} if len(values) > 1 else {}
    return {name: pd.Series(values).mean()} | each
