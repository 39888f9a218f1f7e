"""Metrics by name: functions of lists of slices, so that one call gives a slice's value or the whole stack's."""

from typing import NamedTuple

from . import ctc, isbi2012, overlap


class Metric(NamedTuple):
    """``function(labels, found)``, with ``found`` the probability or the segmentation; ``best``: its perfect value."""

    function: callable
    of: str
    best: float


METRICS = {
    "pixel_error": Metric(isbi2012.pixel_error, "probability", 0.0),
    "rand_error": Metric(isbi2012.rand_error, "probability", 0.0),
    "warping_error": Metric(isbi2012.warping_error, "probability", 0.0),
    "v_rand": Metric(isbi2012.v_rand, "probability", 1.0),
    "v_info": Metric(isbi2012.v_info, "probability", 1.0),
    "iou": Metric(overlap.iou, "probability", 1.0),
    "dice": Metric(overlap.dice, "probability", 1.0),
    "seg": Metric(ctc.seg, "segmentation", 1.0),
    "det": Metric(ctc.det, "segmentation", 1.0),
    "op_csb": Metric(ctc.op_csb, "segmentation", 1.0),
}
