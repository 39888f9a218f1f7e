"""Generated images against a drawing that looks at every pixel."""

import numpy as np
import pytest
from unetflow.datasets import synthetic


def everywhere(rng, grey, labels):
    """`synthetic._paint_organelle`, over the whole image."""
    y, x = rng.integers(0, labels.shape[0], 2)
    if labels[y, x] == 0:
        return
    axes = rng.uniform(4, 10, 2) if rng.random() < 0.4 else np.repeat(rng.uniform(1.5, 2.5), 2)
    radius = synthetic.ellipse_radius(labels.shape, (y, x), axes, rng.uniform(0, np.pi))
    inside = labels == labels[y, x]
    grey[inside & (radius < 1)] -= 0.18
    grey[inside & (np.abs(radius - 1) < 1.5 / axes.mean())] -= 0.25


@pytest.mark.parametrize("seed", range(3))
def test_organelles_are_whole(seed, monkeypatch):
    painted = synthetic.em_stack(slices=2, size=200, cells=12, seed=seed)
    monkeypatch.setattr(synthetic, "_paint_organelle", everywhere)
    for ours, expected in zip(painted, synthetic.em_stack(slices=2, size=200, cells=12, seed=seed)):
        np.testing.assert_array_equal(ours, expected)
