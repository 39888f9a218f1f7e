"""The metrics against the values and intermediate images of the reference implementations."""

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED, shared
from unetflow.metrics import ctc, isbi2012
from unetflow.metrics.isbi2012 import THRESHOLDS, binary_pairs, mean_over_slices, pixel_counts, rand_of_stack
from unetflow.metrics.thinning import thinned
from unetflow.metrics.warping import KINDS, count_mismatches, mismatch_kinds, warp

FOLDER = SHARED / "metrics"
ISBI_CASES = sorted(p.stem for p in (FOLDER / "isbi2012/cases").glob("*.npz")) or ["absent"]
CTC_CASES = sorted(p.stem for p in (FOLDER / "ctc/cases").glob("*.npz")) or ["absent"]
KIND_CODES = {
    "merge": 1,
    "split": 2,
    "hole_addition": 4,
    "object_deletion": 8,
    "object_addition": 16,
    "hole_deletion": 32,
}


def kind_counts(slices):
    """Mismatch pixels of each kind at threshold 0.5, summed over slices."""
    return pd.DataFrame([count_mismatches(*warp(truth, p, 0.5), 20) for truth, p in slices]).sum()


# How each row of the reference table is computed from the pieces of unetflow.metrics.
MEASURES = {
    "pixel_error": isbi2012.pixel_error,
    "rand_error": isbi2012.rand_error,
    "warping_error": isbi2012.warping_error,
    "v_rand": isbi2012.v_rand,
    "v_info": isbi2012.v_info,
    "pixel_fscore@0.5": lambda la, p: isbi2012.f_score(*pixel_counts(binary_pairs(la, p), 0.5)),
    "fr_rand_fscore@0.5": lambda la, p: rand_of_stack(binary_pairs(la, p), 0.5),
    "v_rand@0.5": lambda la, p: mean_over_slices(isbi2012.rand_f_score, binary_pairs(la, p), 0.5),
    "v_rand_binary_t0": lambda la, p: mean_over_slices(isbi2012.rand_f_score, binary_pairs(la, p), 0.0),
    "v_info@0.5": lambda la, p: mean_over_slices(isbi2012.information_score, binary_pairs(la, p), 0.5),
    "v_info_binary_t0": lambda la, p: mean_over_slices(isbi2012.information_score, binary_pairs(la, p), 0.0),
    "warping_splits_mergers_r20@0.5": lambda la, p: (
        kind_counts(binary_pairs(la, p))[["split", "merge"]].sum() / la.size
    ),
    "warping_alltypes_r20@0.5": lambda la, p: kind_counts(binary_pairs(la, p)).sum() / la.size,
    "n_pixels_splits_r20@0.5": lambda la, p: kind_counts(binary_pairs(la, p))["split"],
    "n_pixels_mergers_r20@0.5": lambda la, p: kind_counts(binary_pairs(la, p))["merge"],
    "n_pixels_hole_additions_r20@0.5": lambda la, p: kind_counts(binary_pairs(la, p))["hole_addition"],
    "n_pixels_hole_deletions_r20@0.5": lambda la, p: kind_counts(binary_pairs(la, p))["hole_deletion"],
    "n_pixels_object_additions_r20@0.5": lambda la, p: kind_counts(binary_pairs(la, p))["object_addition"],
    "n_pixels_object_deletions_r20@0.5": lambda la, p: kind_counts(binary_pairs(la, p))["object_deletion"],
}


def load(case):
    with np.load(shared("metrics/isbi2012/cases", f"{case}.npz")) as arrays:
        return arrays["label"], arrays["proba"]


@pytest.mark.parametrize("case", ISBI_CASES)
def test_isbi2012_values(case):
    labels, probability = load(case)
    expected = pd.read_csv(shared("metrics/isbi2012/expected.csv"), keep_default_na=False).query("case == @case")
    compared = 0
    for row in expected.itertuples():
        if row.metric not in MEASURES:
            continue
        value = row.value
        if "display-range artefact" in row.note:
            value = row.note.rpartition("without it ")[2]  # the corrected value
        elif "may carry the display-range artefact" in row.note:
            continue
        assert MEASURES[row.metric](labels, probability) == pytest.approx(float(value), abs=1e-9), row.metric
        compared += 1
    assert compared >= 17


@pytest.mark.parametrize("case", ISBI_CASES)
def test_isbi2012_curves(case):
    """Rand and thinned Rand at every threshold, ties included."""
    labels, probability = load(case)
    curves = pd.read_csv(shared("metrics/isbi2012/curves.csv")).query("case == @case")
    pieces = {
        "pixel_fscore": lambda slices, t: isbi2012.f_score(*pixel_counts(slices, t)),
        "fr_rand_fscore": rand_of_stack,
        "v_rand": lambda slices, t: mean_over_slices(isbi2012.rand_f_score, slices, t),
        "v_info": lambda slices, t: mean_over_slices(isbi2012.information_score, slices, t),
    }
    compared = 0
    for row in curves[curves["metric"].isin(pieces)].itertuples():
        assert THRESHOLDS[row.threshold_index] == row.threshold
        value = pieces[row.metric](binary_pairs(labels, probability), row.threshold)
        assert value == pytest.approx(row.value, abs=1e-9, nan_ok=True), (row.metric, row.threshold)
        compared += 1
    assert compared >= 11


@pytest.mark.parametrize("case", ISBI_CASES)
def test_isbi2012_intermediate_images(case):
    labels, probability = load(case)
    with np.load(shared("metrics/isbi2012/intermediates", f"{case}.npz")) as arrays:
        expected = {name: arrays[name] for name in arrays}
    for z, (truth, p) in enumerate(binary_pairs(labels, probability)):
        warped, mismatches = warp(truth, p, 0.5)
        np.testing.assert_array_equal(warped, expected["warped_label"][z] > 0)
        if not truth.all():  # constant label slices carry the reference's artefact
            kinds = np.zeros(truth.shape, int)
            kinds[mismatches] = np.array([KIND_CODES[k] for k in KINDS])[mismatch_kinds(warped, mismatches, 20)]
            if not (labels[0] > 0).all():
                np.testing.assert_array_equal(kinds, expected["mismatch_class"][z])
        assert_same_segments(thinned(p > 0.5), expected["thinned_labels"][z])


def assert_same_segments(one, other):
    """Equal up to the numbers of the segments; borders (0) at the same places."""
    np.testing.assert_array_equal(one == 0, other == 0)
    together = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    assert together.shape[1] == len(np.unique(one)) == len(np.unique(other))


@pytest.mark.parametrize("case", CTC_CASES)
def test_ctc_values(case):
    with np.load(shared("metrics/ctc/cases", f"{case}.npz")) as arrays:
        reference, result, markers = arrays["seg_gt"], arrays["res"], arrays["tra_gt"]
        annotated = result[arrays["seg_frames"]]
    expected = pd.read_csv(shared("metrics/ctc/expected.csv")).query("case == @case and metric in ['SEG', 'DET']")
    for row in expected.query("value != 'error'").itertuples():
        if case == "no_reference_object_at_all":
            assert np.isnan(ctc.seg(reference, annotated)), "nothing to score; the Java reference refuses"
            continue
        value = ctc.seg(reference, annotated) if row.metric == "SEG" else ctc.det(markers, result)
        assert value == pytest.approx(float(row.value), abs=1e-12), row.produced_by
    assert len(expected)
