"""Objects from probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label
from test_joining import same_partition
from unetflow.objects import segment
from unetflow.weights import pixel_classes, separate_touching

maps = arrays(np.float32, (9, 11), elements=st.sampled_from([0.0, 0.4, 0.5, 0.6, 1.0]))


@settings(max_examples=80, deadline=None)
@given(maps, st.sampled_from([1, 2]), st.integers(0, 6))
def test_objects_are_the_large_components_with_consecutive_ids(probability, connectivity, min_size):
    labels = segment(probability, connectivity=connectivity, min_size=min_size)[0]
    pieces = label(probability > 0.5, connectivity=connectivity)
    large = [k for k in range(1, pieces.max() + 1) if (pieces == k).sum() >= min_size]
    assert list(np.unique(labels[labels > 0])) == list(range(1, len(large) + 1))
    for new, old in enumerate(large, 1):
        np.testing.assert_array_equal(labels == new, pieces == old)


def test_holes_are_filled():
    ring = np.zeros((7, 7))
    ring[1:6, 1:6], ring[3, 3] = 1, 0
    assert segment(ring)[0][3, 3] == 0 and segment(ring, fill_holes=True)[0][3, 3] == 1


def test_growing_takes_back_the_gap_of_training():
    truth = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 6, axis=0)
    predicted = (separate_touching(truth) > 0).astype(float)
    assert (segment(predicted, grow=1)[0] == truth).mean() > 0.9 and segment(predicted, grow=1)[0].min() > 0


@pytest.mark.parametrize("size", [8, 12, 40])
def test_discs_part_at_their_neck_whatever_their_size(size):
    """Two discs whose centres are 1.6 radii apart, so that half the chord they share is 0.6 of the radius."""
    y, x = np.ogrid[: 3 * size, : 5 * size]
    truth = np.where(x < 2.3 * size, 1, 2)
    discs = [np.hypot(y - 1.5 * size, x - at * size) < size for at in (1.5, 3.1)]
    truth = np.where(discs[0] | discs[1], truth, 0)
    both = (truth > 0).astype(float)
    assert segment(both)[0].max() == segment(both, neck=0.45)[0].max() == 1
    found = segment(both, neck=0.8)[0]
    assert found.max() == 2 and ((found > 0) == (truth > 0)).all() and (found != truth).sum() <= 2 * size


def test_what_fills_the_image_has_no_neck():
    assert (segment(np.ones((9, 9)), neck=0.9)[0] == 1).all() and segment(np.zeros((9, 9)), neck=0.9)[0].max() == 0


def test_outlines_of_pixels_are_no_necks():
    """Ellipses, long and short, at any angle, stay whole."""
    for angle in np.linspace(0, np.pi, 13):
        y, x = np.mgrid[-40:41, -40:41]
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        for length, width in ((36, 6), (30, 20), (8, 4)):
            assert segment(((along / length) ** 2 + (across / width) ** 2 < 1).astype(float), neck=0.9)[0].max() == 1


def test_objects_that_touch_come_apart_by_their_border_class():
    labels = np.zeros((30, 40), int)
    labels[3:27, 3:20], labels[3:27, 20:37] = 1, 2
    target = pixel_classes(labels, 2)
    probability, inside = (target > 0).astype(float), (target == 1).astype(float)
    assert segment(probability)[0].max() == 1
    found = segment(probability, inside=inside)[0]
    assert same_partition(found, labels), "flooded from the insides, to the line where they touch"
    assert segment(probability, inside=0.6 * inside, seed_threshold=0.7)[0].max() == 0
