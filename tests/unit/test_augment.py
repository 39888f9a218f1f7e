"""Augmentation: one drawing for image, target and weight; fields with the statistics of the sources."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from unetflow import augment

OPTIONS = {
    "input": 60,
    "rotation": 180.0,
    "mirror": True,
    "scale": 0.1,
    "contrast": 0.0,
    "brightness": 0.0,
    "noise": 0.0,
    "border": "mirror",
    "elastic": {"form": "grid", "grid": 3, "sigma": 5.0},
}


def drawn(options=OPTIONS, seed=0, shape=(80, 90)):
    return augment.draw(np.random.default_rng(seed), options, np.ones(shape, bool))


def test_grid_field_passes_through_its_vectors():
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    field = augment.grid_displacement((101, 61), rng)
    vectors = again.normal(0, 10, (2, 3, 3))
    assert field.dtype == np.float32 and field.shape == (2, 101, 61)
    np.testing.assert_allclose(field[:, ::50, ::30], vectors, atol=1e-4)


def test_grid_field_has_the_papers_spread():
    rng = np.random.default_rng(0)
    corners = np.stack([augment.grid_displacement((32, 32), rng)[:, 0, 0] for _ in range(2000)])
    assert corners.std() == pytest.approx(10, rel=0.05) and abs(corners.mean()) < 0.5


def test_bicubic_interpolation_keeps_straight_lines():
    """Keys' kernel reproduces polynomials up to degree two away from the ends."""
    weights = augment._cubic_weights(101, 6)
    np.testing.assert_allclose(weights.sum(1), 1)
    inside = slice(20, 81)
    at = np.linspace(0, 5, 101)[inside]
    for degree in (1, 2):
        np.testing.assert_allclose((weights @ np.arange(6.0) ** degree)[inside], at**degree, atol=1e-9)


def test_gaussian_field_is_smoothed_uniform_noise():
    rng = np.random.default_rng(0)
    field = augment.gaussian_displacement((200, 200), rng, alpha=30, sigma=4)
    expected = 30 * np.sqrt(1 / 3) / (2 * np.sqrt(np.pi) * 4)  # sd of white noise after a Gaussian filter in 2D
    assert field.shape == (2, 200, 200) and field.std() == pytest.approx(expected, rel=0.1)


def test_image_target_and_weight_stay_on_each_other():
    """Whatever is drawn, three arrays with the same content come out with the same content."""
    blobs = (np.add.outer(np.sin(np.arange(80) / 6), np.cos(np.arange(90) / 7)) > 0).astype(np.uint8)
    for seed in range(10):
        image, target, weight = augment.sample(
            drawn(seed=seed), OPTIONS, blobs.astype(float), blobs, blobs.astype(float)
        )
        assert image.shape == target.shape == weight.shape == (60, 60)
        assert ((image > 0.5) == (target == 1)).mean() > 0.97
        assert ((weight > 0.5) == (target == 1)).mean() > 0.97
        assert set(np.unique(target)) <= {0, 1} and weight.min() >= 0


def test_warp_equals_scipy():
    """Linear interpolation at random positions, mirrored borders; OpenCV rounds positions to 1/32 pixel."""
    rng = np.random.default_rng(0)
    image = rng.random((40, 50)).astype(np.float32)
    at = rng.uniform(-60, 100, (2, 30, 30)).astype(np.float32)
    (ours,) = augment.warp(at, (image, 1))
    np.testing.assert_allclose(ours, map_coordinates(image, at, order=1, mode="mirror"), atol=0.04)


def test_identity_leaves_the_image_and_mirrors_its_border():
    options = OPTIONS | {"rotation": 0.0, "mirror": False, "scale": 0.0, "elastic": {"form": "none"}, "input": 21}
    image = np.arange(15 * 15, dtype=float).reshape(15, 15)
    start = drawn(options, shape=(15, 15)) | {"centre": [7, 7]}
    result, _, _ = augment.sample(start, options, image, image.astype(np.uint8), image)
    np.testing.assert_allclose(result, np.pad(image, 3, mode="reflect"), atol=1e-4)


def test_zero_border_leaves_nothing_to_learn_beyond_the_image():
    options = OPTIONS | {"rotation": 0.0, "mirror": False, "scale": 0.0, "elastic": {"form": "none"}, "input": 21}
    options |= {"border": "zero", "brightness": 0.3}
    image = np.arange(1.0, 226).reshape(15, 15)
    start = drawn(options, shape=(15, 15)) | {"centre": [7, 7], "brightness": 0.3}
    result, _, weight = augment.sample(start, options, image, image.astype(np.uint8), image)
    np.testing.assert_allclose(weight, np.pad(image, 3), atol=1e-4)
    np.testing.assert_allclose(result, np.pad(image * start["contrast"] + 0.3, 3), atol=1e-3)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), height=st.integers(20, 500), width=st.integers(20, 500))
def test_a_sample_of_its_window_is_that_of_the_whole_image(seed, height, width):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(height, width)).astype(np.float32)
    labels = (image > 0).astype(np.uint8)
    drawing = drawn(seed=seed, shape=image.shape)
    part = augment.window(drawing, OPTIONS, image.shape)
    moved = drawing | {"centre": [c - p.start for c, p in zip(drawing["centre"], part)]}
    grey, target, weight = augment.sample(drawing, OPTIONS, image, labels, np.abs(image))
    same = augment.sample(moved, OPTIONS, image[part], labels[part], np.abs(image)[part])
    np.testing.assert_allclose(grey, same[0], atol=1e-3)
    np.testing.assert_allclose(weight, same[2], atol=1e-3)
    # Positions differ by rounding, so some halfway between two pixels take the other; with a wrong window half would.
    assert (target != same[1]).mean() < 2e-3


def test_rotation_turns_about_the_centre():
    options = OPTIONS | {"mirror": False, "scale": 0.0, "elastic": {"form": "none"}, "input": 21}
    image = np.random.default_rng(0).random((41, 41)).astype(np.float32)
    quarter = drawn(options) | {"centre": [20, 20], "angle": 90.0, "mirror": False, "scale": 1.0}
    result, _, _ = augment.sample(quarter, options, image, image.astype(np.uint8), image)
    np.testing.assert_allclose(result, np.rot90(image[10:31, 10:31], 3), atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_drawing_follows_from_its_seed_and_stays_in_range(seed):
    one, two = drawn(seed=seed), drawn(seed=seed)
    assert one == two
    assert abs(one["angle"]) <= 180 and 1 / 1.1 - 1e-9 <= one["scale"] <= 1.1 + 1e-9
    assert 0 <= one["centre"][0] < 80 and 0 <= one["centre"][1] < 90


def test_samples_are_centred_on_known_pixels():
    known = np.zeros((50, 50), bool)
    known[7, 40] = True
    assert augment.draw(np.random.default_rng(0), OPTIONS, known)["centre"] == [7, 40]


def test_grey_values():
    image = np.zeros((100, 100), np.float32)
    varied = augment.vary_grey(image, {"contrast": 2.0, "brightness": 0.5, "noise": 0.1, "noise_seed": 1})
    assert varied.mean() == pytest.approx(0.5, abs=0.01) and varied.std() == pytest.approx(0.1, rel=0.05)


def test_too_small_a_grid_is_refused():
    with pytest.raises(ValueError, match="at least 2 x 2"):
        augment.grid_displacement((10, 10), np.random.default_rng(0), grid=1)
