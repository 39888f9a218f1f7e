"""Moments of grey values are those of all pixels together, and images that were exposed apart are told from others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unetflow.normalisation import moments, unlike

RNG = np.random.default_rng(0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5),
    st.sampled_from([np.uint8, np.uint16, np.int32, np.float32]),
    st.integers(0, 2**16),
)
def test_moments_are_those_of_all_pixels_together(shapes, dtype, offset):
    images = [(RNG.integers(0, 200, shape) + offset).astype(dtype) for shape in shapes]  # whatever wraps round
    pixels = np.concatenate([image.ravel() for image in images]).astype(float)
    mean, sd = moments(iter(images))
    assert mean == pytest.approx(pixels.mean(), abs=1e-9) and sd == pytest.approx(pixels.std() or 1, rel=1e-6)


def test_pixels_that_are_no_numbers_dont_count():
    image = np.array([[1, np.nan, 3], [np.inf, -np.inf, 5]], np.float32)
    assert moments([np.full((2, 2), np.nan, np.float32), image]) == pytest.approx((3, np.std([1, 3, 5])))
    assert moments([np.full(3, np.nan)]) == (0, 1) and moments([np.full(3, 7)]) == (7, 1)


def test_groups_are_unlike_if_their_means_are_further_apart_than_what_they_show():
    """Means and standard deviations of the sequences of PhC-C2DL-PSC, and of ten images of dsb2018-fluo."""
    assert not unlike([(132.5, 23.1), (138.4, 24.7)]) and not unlike([(126.0, 45.0)])
    assert unlike(zip([4, 6, 7, 9, 11, 12, 14, 17, 30, 57], [3, 8, 9, 9, 11, 12, 14, 19, 30, 44]))
