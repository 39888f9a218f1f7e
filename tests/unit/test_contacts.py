"""Copied objects: pixels of the image's own objects, in contact with others, over nothing but known background."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation
from unetflow import IGNORE
from unetflow.training.contacts import HALO, add_contacts
from unetflow.weights import training_target

AROUND = np.ones((3, 3), bool)


@pytest.fixture(scope="module")
def one():
    """A noisy image of three discs that don't touch, the brighter the higher their label, and their labels."""
    y, x = np.mgrid[:160, :180]
    labels = np.zeros((160, 180), np.int32)
    for label, (cy, cx, radius) in enumerate([(50, 50, 15), (50, 120, 12), (115, 70, 18)], 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = label
    return (np.random.default_rng(0).normal(0, 1, labels.shape) + 3 * labels).astype(np.float32), labels


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_copies_touch_another_object_and_cover_none(one, seed):
    image, labels = one
    _, more = add_contacts(image, labels, 2, np.random.default_rng(seed))
    np.testing.assert_array_equal(more[labels > 0], labels[labels > 0])
    sizes = {int((labels == label).sum()) for label in (1, 2, 3)}
    for label in range(4, more.max() + 1):
        copy = more == label
        assert int(copy.sum()) in sizes
        near = binary_dilation(copy, AROUND, iterations=2) & ~copy  # the way out is taken in whole pixels
        assert (more[near] > 0).any()


def test_grey_values_change_on_copies_and_fade_around_them(one):
    image, labels = one
    changed, more = add_contacts(image, labels, 1, np.random.default_rng(1))
    copy = more == 4
    halo = binary_dilation(copy, AROUND, iterations=HALO)
    np.testing.assert_array_equal(changed[~halo], image[~halo])
    np.testing.assert_array_equal(changed[labels > 0], image[labels > 0])
    source = next(label for label in (1, 2, 3) if (labels == label).sum() == copy.sum())
    assert np.sort(changed[copy]) == pytest.approx(np.sort(image[labels == source]), abs=0.5)  # but for the level


def test_unknown_pixels_are_left_alone(one):
    image, labels = one
    unknown = np.where(np.arange(labels.shape[1]) > 90, IGNORE, labels)
    changed, more = add_contacts(image, unknown, 3, np.random.default_rng(0))
    assert more.max() > 3
    np.testing.assert_array_equal(more[unknown == IGNORE], IGNORE)
    np.testing.assert_array_equal(changed[unknown == IGNORE], image[unknown == IGNORE])


def test_objects_with_nothing_known_around_them_are_not_copied(one):
    image, labels = one
    only = np.where(labels == 3, 3, IGNORE)
    only[:40] = 0
    changed, more = add_contacts(image, only, 3, np.random.default_rng(0))
    np.testing.assert_array_equal(more, np.where(only == 3, 1, only))
    np.testing.assert_array_equal(changed, image)


@pytest.mark.parametrize("labels", [np.zeros((60, 60), np.int32), np.ones((60, 60), np.int32)])
def test_nothing_to_copy_and_no_room(labels):
    image = np.zeros(labels.shape, np.float32)
    changed, more = add_contacts(image, labels, 3, np.random.default_rng(0))
    np.testing.assert_array_equal(more, labels)
    np.testing.assert_array_equal(changed, image)


def test_large_labels_cost_no_memory(one):
    image, labels = one
    large = np.where(labels > 0, labels.astype(np.int64) * 10**8, np.where(image > 5, IGNORE, 0))
    small = np.where(large > 0, labels, large)
    for a, b in zip(*(add_contacts(image, these, 2, np.random.default_rng(0)) for these in (large, small))):
        np.testing.assert_array_equal(a, b)


def test_the_gap_between_a_copy_and_its_neighbour_is_learned(one):
    """The target has no background between the three discs that weighs as much as the gap at a contact."""
    image, labels = one
    _, more = add_contacts(image, labels, 1, np.random.default_rng(1))
    (before, plain), (after, weight) = (training_target(a, gap=5, class_balance=False) for a in (labels, more))
    assert plain.max() < 2 < weight.max()
    assert not after[weight == weight.max()].any() and before.sum() < after.sum()
