"""Weight maps against brute force (equation 2 of the paper)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt
from unetflow import IGNORE
from unetflow.nearest import SEGMENT, two_nearest
from unetflow.weights import balanced_class_weights, pixel_classes, separate_touching, training_target, weight_map

label_images = arrays(
    np.int64, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.sampled_from([-1, 0, 0, 0, 1, 2, 3, 9])
)
halves = st.lists(st.integers(1, 30), min_size=2, max_size=2).map(lambda n: np.repeat([[1, 2]] * 20, n, axis=1))


def brute_force(labels, w0, sigma, class_balance):
    """One distance transform per cell."""
    known = labels != IGNORE
    cells = np.where(known, labels, 0)
    distances = [np.full(labels.shape, np.inf)] * 2 + [
        distance_transform_edt(cells != k) for k in np.unique(cells[cells > 0])
    ]
    d1, d2 = np.sort(distances, axis=0)[:2]
    weight = np.ones(labels.shape)
    if class_balance:
        for cell in (False, True):
            where = ((cells > 0) == cell) & known
            weight[where] = known.sum() / (2 * where.sum()) if where.any() else 1
    weight[cells == 0] += w0 * np.exp(-((d1 + d2)[cells == 0] ** 2) / (2 * sigma**2))
    return np.where(known, weight, 0)


@settings(max_examples=300, deadline=None)
@given(label_images, st.floats(0.5, 20), st.floats(0.5, 8), st.booleans())
def test_equals_brute_force(labels, w0, sigma, class_balance):
    result = weight_map(labels, w0, sigma, class_balance)
    assert result.dtype == np.float32 and result.shape == labels.shape
    np.testing.assert_allclose(result, brute_force(labels, w0, sigma, class_balance), atol=1e-5, rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(label_images, st.floats(1, 60))
def test_two_nearest_are_exact_up_to_the_largest_sum(labels, largest_sum):
    cells = np.maximum(labels, 0)
    distances = [np.full(cells.shape, np.inf)] * 2 + [
        distance_transform_edt(cells != k) for k in np.unique(cells[cells > 0])
    ]
    exact = np.sort(distances, axis=0)[:2]
    wanted = (cells == 0) & (exact.sum(axis=0) <= largest_sum)
    np.testing.assert_array_equal(np.sqrt(np.stack(two_nearest(cells, largest_sum))[:, wanted]), exact[:, wanted])


@settings(max_examples=50, deadline=None)
@given(label_images, st.floats(1, 60))
def test_large_label_values_change_nothing(labels, largest_sum):
    cells = np.maximum(labels, 0)
    np.testing.assert_array_equal(two_nearest(cells, largest_sum), two_nearest(cells * 2**27, largest_sum))


def test_rows_longer_than_what_is_looked_at_together():
    labels = np.zeros((6, 3 * SEGMENT + 17), int)
    labels[:, 40::41] = np.arange(1, 1 + labels[0, 40::41].size)
    np.testing.assert_allclose(weight_map(labels), brute_force(labels, 10, 5, True), atol=1e-5)


def test_many_cells():
    rng = np.random.default_rng(0)
    labels = np.where(rng.random((96, 130)) < 0.05, rng.integers(1, 200, (96, 130)), 0)
    np.testing.assert_allclose(weight_map(labels), brute_force(labels, 10, 5, True), atol=1e-5)


def test_default_is_the_papers():
    """A gap of 3 pixels between two cells: middle pixel at distance 2 from both, so 10 exp(-16 / 50) over w_c."""
    labels = np.zeros((9, 13), int)
    labels[:, :5], labels[:, 8:] = 1, 2
    above = weight_map(labels)[4, 6] - balanced_class_weights([labels.ravel() > 0])[0]
    assert above == pytest.approx(10 * np.exp(-16 / 50), abs=1e-5)


def test_class_weights_balance_and_ignore_the_unknown():
    background, cell = balanced_class_weights([np.array([0, 0, 1]), np.array([0])])
    assert (3 * background, 1 * cell) == (2, 2)
    assert balanced_class_weights([np.zeros(4, int)], 3) == (1 / 3, 1.0, 1.0)
    weight = weight_map(np.array([[0, 0, 0, 1], [-1, -1, -1, -1]]), form="classes")
    np.testing.assert_allclose(weight, [[2 / 3, 2 / 3, 2 / 3, 2], [0, 0, 0, 0]], rtol=1e-6)


@settings(max_examples=200, deadline=None)
@given(label_images, st.integers(1, 3))
def test_the_border_class_is_what_lies_near_background_or_another_cell(labels, width):
    found = pixel_classes(labels, width)
    inside = np.zeros(labels.shape, bool)
    for k in np.unique(labels[labels > 0]):
        other = np.pad((labels != k) & (labels != IGNORE), 1)  # nothing is known beyond the image's border
        distance = distance_transform_edt(~other)[1:-1, 1:-1] if other.any() else np.inf
        inside |= (labels == k) & (distance > width + 0.5)
    np.testing.assert_array_equal(found, np.where(labels > 0, np.where(inside, 1, 2), 0))
    np.testing.assert_array_equal(pixel_classes(labels) > 0, found > 0)


def test_the_border_class_weighs_as_much_as_the_others_and_leaves_their_border_term():
    labels = np.zeros((20, 30), int)
    labels[4:16, 3:13], labels[4:16, 15:25] = 1, 2
    labels[0] = IGNORE
    target, weight = training_target(labels, gap=0, border_class=2)
    whole = training_target(labels, gap=0)[1]
    balanced = weight_map(labels, form="classes", target=target)
    sums = [balanced[(target == k) & (labels != IGNORE)].sum() for k in range(3)]
    np.testing.assert_allclose(sums, (labels != IGNORE).sum() / 3, rtol=1e-5)
    between = (labels == 0) & (whole - whole[-1, -1] > 1)
    assert between.any() and (weight[between] - balanced[between] > 1).all() and (weight[labels == IGNORE] == 0).all()
    assert (weight_map(labels, form="none", target=target)[1:] == 1).all()


def test_forms():
    labels = np.zeros((5, 40), int)
    labels[:, :3], labels[:, 6:9] = 1, 2
    assert (weight_map(labels, form="none") == 1).all()
    assert set(np.unique(weight_map(labels, form="classes"))) == {
        np.float32(w) for w in balanced_class_weights([labels.ravel() > 0])
    }
    recent = weight_map(labels, form="2019", w0=50, sigma=6)
    assert recent[2, -1] == pytest.approx(0.1 + 0.9 * np.exp(-(31**2) / 200), abs=1e-5), "far background"
    assert recent[2, 1] == 1, "cells weigh 1"
    assert recent[2, 4] > 30, "between the cells"
    with pytest.raises(ValueError, match="form is '2016'"):
        weight_map(labels, form="2016")
    with pytest.raises(ValueError, match="sigma = 0"):
        weight_map(labels, sigma=0)
    with pytest.raises(ValueError, match="2-D integer"):
        weight_map(labels.astype(float))


@settings(max_examples=200, deadline=None)
@given(label_images)
def test_gap_parts_all_touching_cells_and_no_more(labels):
    parted = separate_touching(labels)
    removed = parted != labels
    assert (parted[removed] == 0).all() and (labels[removed] > 0).all()
    padded_parted, padded = np.pad(parted, 1), np.pad(labels, 1)
    for dy, dx in np.ndindex(3, 3):
        window = (slice(dy, dy + labels.shape[0]), slice(dx, dx + labels.shape[1]))
        other = padded_parted[window]
        assert not ((parted > 0) & (other > 0) & (other != parted)).any(), "cells still touch"
        removed &= ~((padded[window] > 0) & (padded[window] != labels))
    assert not removed.any(), "a pixel went that touched no other cell"


@pytest.mark.parametrize("gap", range(6))
def test_gap_is_as_wide_as_asked_for(gap):
    for axis in (0, 1):
        labels = np.swapaxes(np.repeat([[2] * 40 + [1] * 40], 40, axis=0), 1, axis)
        parted = separate_touching(labels, gap)
        assert ((parted == 0).sum(axis=axis) == gap).all()
        assert (parted == 2).sum() - (parted == 1).sum() == 40 * (gap % 2)


def test_small_cells_keep_most_of_themselves_beside_large_ones():
    labels = np.ones((40, 48), int)
    labels[:, 40:] = np.arange(2, 7).repeat(8)[:, None]  # a pile of squares of 8 pixels
    parted = separate_touching(labels, 5)
    small = parted[:, 40:]
    assert all((small == k).sum() >= 0.75 * 64 for k in range(2, 7))
    assert (parted[20, 37:40] == 0).all() and (parted[20, :37] == 1).all(), "the large one gives way"


@settings(max_examples=50, deadline=None)
@given(label_images | halves, st.integers(0, 5))
def test_wide_gaps_against_every_pair_of_pixels(labels, gap):
    at = np.argwhere(labels > 0)
    ids = labels[labels > 0]
    areas = (ids[:, None] == ids[None]).sum(axis=1)
    gaps = np.array([min(gap, max(1, round(2 * (area / np.pi) ** 0.5 / 8))) for area in areas])[:, None]
    distance = np.linalg.norm(at[:, None] - at[None], axis=-1)
    larger, smaller = ids[None] > ids[:, None], ids[None] < ids[:, None]
    gone = (larger & (distance <= (gaps + 1) // 2 + 0.5)) | (smaller & (distance <= gaps // 2 + 0.5))
    expected = labels.copy()
    expected[labels > 0] = np.where(gone.any(axis=1), 0, ids)
    np.testing.assert_array_equal(separate_touching(labels, gap), expected)
