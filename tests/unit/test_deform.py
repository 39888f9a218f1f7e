"""Deformation in the training step: the same as looking pixel by pixel, one displacement for all that a sample is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from test_fit import RECIPE, samples, small, state_bytes, trained
from unetflow import augment
from unetflow.training.deform import deformed
from unetflow.training.fit import Training

SHAPE = (21, 26)
ELASTIC = {"form": "grid", "grid": 3, "sigma": 4.0}


def arrays(channels=()):
    rng, count = np.random.default_rng(0), 2
    image = rng.normal(size=(count, *channels, *SHAPE)).astype(np.float32)
    target, weight = rng.integers(0, 3, (count, *SHAPE), np.uint8), rng.random((count, *SHAPE), np.float32)
    return [torch.from_numpy(array) for array in (image, target, weight)]


def displacements():
    return np.stack([augment.grid_displacement(SHAPE, np.random.default_rng(k), 3, 4.0) for k in range(2)])


def keys(distance, a=-0.75):
    """The cubic kernel of Keys (1981), equation 4, for any ``a``."""
    s = np.abs(distance)
    near, far = (a + 2) * s**3 - (a + 3) * s**2 + 1, a * (s**3 - 5 * s**2 + 8 * s - 4)
    return np.where(s <= 1, near, np.where(s < 2, far, 0))


def mirrored(index, size):
    return (size - 1) - abs((size - 1) - index % (2 * (size - 1)))


def cubic_at(image, y, x):
    """The value of ``image`` at a place, by its sixteen pixels."""
    rows, columns = (int(np.floor(place)) + np.arange(-1, 3) for place in (y, x))
    around = image[np.ix_(mirrored(rows, SHAPE[0]), mirrored(columns, SHAPE[1]))]
    return keys(y - rows) @ around @ keys(x - columns)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_every_pixel_is_what_lies_at_its_place(channels):
    image, target, weight = arrays(channels)
    offset = displacements()
    found = [array.numpy() for array in deformed(torch.from_numpy(offset), image, target, weight)]
    assert [array.dtype for array in found] == [np.float32, np.uint8, np.float32]
    at = np.indices(SHAPE) + offset.astype(float)
    assert (at < 0).any() and (at[:, 0] > SHAPE[0] - 1).any()
    for k in range(len(image)):
        for one, result in zip(image[k].reshape(-1, *SHAPE).numpy(), found[0][k].reshape(-1, *SHAPE)):
            by_hand = np.array([cubic_at(one, *place) for place in at[k].reshape(2, -1).T]).reshape(SHAPE)
            np.testing.assert_allclose(result, by_hand, atol=2e-4)
        linear = map_coordinates(weight[k].numpy(), at[k], order=1, mode="mirror")
        np.testing.assert_allclose(found[2][k], linear, atol=1e-4)
        nearest = map_coordinates(target[k].numpy(), at[k], order=0, mode="mirror")
        undecided = np.abs(at[k] % 1 - 0.5).min(axis=0) < 1e-3
        assert ((found[1][k] == nearest) | undecided).all() and undecided.mean() < 0.05


def test_a_whole_shift_moves_pixels_and_mirrors_the_border():
    image, target, weight = arrays()
    offset = torch.zeros(2, 2, *SHAPE)
    offset[:, 0], offset[:, 1] = 2, -3
    for array, moved in zip((image, target, weight), deformed(offset, image, target, weight)):
        expected = np.pad(array, ((0, 0), (0, 2), (3, 0)), mode="reflect")[:, 2:, : SHAPE[1]]
        np.testing.assert_allclose(moved, expected, atol=1e-4)


def test_a_step_learns_from_the_sample_as_it_is_displaced():
    """Its batch has the displacement that the configuration asks for, drawn anew in every epoch."""
    run = Training(small(), replace(RECIPE, elastic=ELASTIC), seed=3, device="cpu")
    batches = run.batches(samples(count=2))
    image, target, weight, offset = batches[1]
    assert image.shape == target.shape == weight.shape and offset.shape == (1, 2, *image.shape[-2:])
    assert abs(offset.std() - 4) < 2
    assert not torch.equal(offset, batches[3][3]) and torch.equal(offset, run.batches(samples(count=2))[1][3])


def first_loss(recipe):
    run = Training(small(), recipe, seed=3, device="cpu")
    return run.update(*run.batches(samples())[0])().item()


def test_the_loss_of_a_step_is_that_of_what_was_displaced():
    plain, still = first_loss(RECIPE), first_loss(replace(RECIPE, elastic=ELASTIC | {"sigma": 0.0}))
    assert still == pytest.approx(plain, rel=1e-4)
    assert abs(first_loss(replace(RECIPE, elastic=ELASTIC)) - plain) > 0.01


def test_interrupted_training_ends_with_the_same_bytes(tmp_path):
    recipe = replace(RECIPE, elastic=ELASTIC)
    straight = trained(recipe, tmp_path / "straight")
    trained(recipe, tmp_path / "broken", stop_after=6)
    assert state_bytes(trained(recipe, tmp_path / "broken")) == state_bytes(straight)
