"""The metrics by hand and by brute force, so that they are tested without the reference files too."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_dilation
from scipy.ndimage import label as components
from unetflow import IGNORE
from unetflow.metrics import ctc, isbi2012, overlap
from unetflow.metrics.registry import METRICS
from unetflow.metrics.slices import numbered, parted
from unetflow.metrics.warping import SIMPLE, warp

binary = arrays(np.uint8, (7, 8), elements=st.integers(0, 1))


def two_cells(gap=True):
    labels = np.ones((20, 21), np.uint8)
    labels[:, 10] = 0
    if not gap:
        labels[8:11, 10] = 1
    return labels


@pytest.mark.parametrize("name", METRICS)
def test_perfect_results_have_the_best_value(name):
    metric, labels = METRICS[name], components(two_cells())[0]
    found = (labels > 0).astype(np.float32) if metric.of == "probability" else labels
    assert metric.function([labels], [found]) == pytest.approx(metric.best, abs=1e-9)


def test_a_merger_costs_its_gap_in_warping_and_a_half_in_rand():
    labels, merged = two_cells(), two_cells(gap=False)
    assert isbi2012.warping_error(labels, merged.astype(float)) == pytest.approx(3 / labels.size)
    # Both cells have 200 pixels; the one segment holds all pairs, half of them wrongly: precision 1/2, recall 1.
    assert isbi2012.rand_error(labels, merged.astype(float)) == pytest.approx(1 - 2 / 3)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_objects_are_measured_as_the_black_and_white_image_of_them(seed):
    """By three thresholds as by all: in half of such images one of the three warps better than the other two."""
    truth, objects = np.random.default_rng(seed).random((2, 12, 12)) > 0.35
    objects = components(objects)[0]
    image = (parted(objects) > 0).astype(float)
    for name in ("pixel_error", "rand_error", "warping_error", "v_rand", "v_info"):
        of_objects = METRICS[f"{name}_of_objects"].function([truth], [objects])
        np.testing.assert_equal(of_objects, METRICS[name].function([truth], [image]))


def test_objects_that_touch_are_not_one():
    objects = np.repeat([[1, 2]], 10, axis=0).repeat(10, axis=1)
    measure = METRICS["rand_error_of_objects"].function
    assert measure([parted(objects)], [objects]) == 0
    assert measure([parted(objects)], [np.ones_like(objects)]) > 0.2


@settings(max_examples=100, deadline=None)
@given(arrays(st.sampled_from([np.int32, np.uint32, np.int64]), (5, 8), elements=st.integers(0, 2**31 - 1)))
def test_values_are_numbered_as_by_numpy(labels):
    ids, places = numbered(labels)
    expected_ids, expected_places = np.unique(labels, return_inverse=True)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_array_equal(places, expected_places)


@settings(max_examples=100, deadline=None)
@given(arrays(np.int32, (7, 8), elements=st.integers(IGNORE, 3)))
def test_parting_leaves_no_edge_between_objects_and_all_else_as_it_is(labels):
    found = parted(labels)
    for k in range(1, 4):
        others = (labels > 0) & (labels != k)
        assert not ((found == k) & binary_dilation((found > 0) & (found != k))).any()
        assert (found[(labels == k) & ~binary_dilation(others)] == k).all()
    gone = found != labels
    assert (found[gone] == 0).all() and (labels[gone] > 0).all()


@settings(max_examples=60, deadline=None)
@given(binary, binary)
def test_rand_equals_counting_pairs(truth, found):
    """Over all pairs of foreground pixels of the truth, each with itself; background of the proposal = singletons."""
    if not truth.any():
        return
    a, b = components(truth)[0], components(found)[0]
    pixels = np.flatnonzero(truth)
    segments = [b.flat[i] or -i - 1 for i in pixels]
    tp = fp = fn = 0
    for (i, s), (j, t) in itertools.product(zip(pixels, segments), repeat=2):
        same_a, same_b = a.flat[i] == a.flat[j], s == t
        tp, fp, fn = tp + (same_a and same_b), fp + (same_b and not same_a), fn + (same_a and not same_b)
    expected = 1 - 2 * tp / (2 * tp + fp + fn)
    assert isbi2012.rand_error(truth, found.astype(float)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(binary, binary)
def test_warping_keeps_the_topology_and_leaves_no_simple_mismatch(truth, found):
    warped, mismatches = warp(truth > 0, found.astype(float), 0.5)
    assert components(warped)[1] == components(truth)[1], "number of 4-connected cells"
    eight = np.ones((3, 3))
    assert components(~np.pad(warped, 1), eight)[1] == components(~np.pad(truth > 0, 1), eight)[1], "8-connected holes"
    np.testing.assert_array_equal(mismatches, warped != (found > 0.5))


def test_there_are_116_simple_neighbourhoods():
    assert SIMPLE.sum() == 116


def test_unknown_pixels_cost_nothing():
    labels, probability = two_cells().astype(int), two_cells().astype(float)
    labels[:5, :5], probability[:5, :5] = IGNORE, 0.0
    assert isbi2012.pixel_error(labels, np.ones_like(probability)) == pytest.approx(
        isbi2012.pixel_error(np.where(labels == IGNORE, 0, labels), np.where(labels == IGNORE, 0, 1.0))
    )
    assert overlap.iou(labels, probability) == overlap.dice(labels, probability) == 1.0
    assert overlap.counts(labels, np.ones(labels.shape)) == (375, 20, 0)


def test_overlap_by_hand():
    labels, probability = np.array([[1, 1, 0, 0]]), np.array([[0.9, 0.1, 0.7, 0.5]])
    assert overlap.counts(labels, probability) == (1, 1, 1)
    assert overlap.iou(labels, probability) == pytest.approx(1 / 3)
    assert overlap.dice(labels, probability) == pytest.approx(1 / 2)
    assert overlap.iou(np.zeros((2, 2), int), np.zeros((2, 2))) == 1.0


def test_seg_and_det_by_hand():
    """Cell 1 found but for a quarter; cell 2 exactly half covered, which is no match; one false positive."""
    reference, result = np.zeros((1, 4, 12), int), np.zeros((1, 4, 12), int)
    reference[0, :, :4], reference[0, :, 6:8] = 1, 2
    result[0, :, :3], result[0, :, 6:7], result[0, :, 10] = 5, 7, 9
    assert ctc.seg(reference, result) == pytest.approx((0.75 + 0) / 2)
    assert ctc.det(reference, result) == pytest.approx(1 - (10 + 2) / 20)
    assert ctc.op_csb(reference, result) == pytest.approx((0.375 + 0.4) / 2)
    assert ctc.op_csb(reference, result, markers=result) == pytest.approx((0.375 + 1) / 2)


def test_what_was_found_where_nothing_is_known_is_no_false_positive():
    reference, result = np.zeros((6, 6), int), np.zeros((6, 6), int)
    reference[:, 4:], reference[1:3, 1:3], result[1:3, 1:3] = IGNORE, 1, 1
    result[:, 5], result[4, 3:] = 2, 3
    assert ctc.det(reference, result) == pytest.approx(0.9), "the third object reaches into what is known"


def test_slices_of_different_sizes_make_a_stack():
    small, large = two_cells()[:6], two_cells()
    value = isbi2012.pixel_error([small, large], [small * 0.8, large * 0.8])
    assert value == 0
    with pytest.raises(ValueError, match="equal sizes"):
        isbi2012.pixel_error(small, large.astype(float))
