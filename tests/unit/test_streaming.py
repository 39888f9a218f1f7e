"""Metrics added up over blocks are those of the whole volume."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from unetflow import IGNORE
from unetflow.blocks import Grid
from unetflow.metrics import ctc, isbi2012, overlap
from unetflow.metrics.streaming import Counts
from unetflow.objects import neighbourhood


def scene(seed, density, shape=(3, 20, 22)):
    """(truth, result, foreground) of a volume with touching and missing objects and an unknown part."""
    rng = np.random.default_rng(seed)
    flat = neighbourhood(2, 1)
    truth = label(rng.random(shape) < density, flat)[0]
    foreground = (truth > 0) ^ (rng.random(shape) < 0.1)
    result = label(foreground, flat)[0]
    truth[:, :3, :4] = IGNORE
    return truth, result, foreground


def streamed(truth, result, foreground, block):
    counts = Counts()
    for part in Grid(truth.shape, block):
        for z in range(part.start[0], part.stop[0]):
            where = (z, *part.slices[1:])
            counts.add(truth[where], result[where], foreground[where], part=z)
    return counts.metrics()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9999), st.floats(0.05, 0.9), st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 22)))
def test_equal_to_those_in_memory(seed, density, block):
    truth, result, foreground = scene(seed, density)
    found = streamed(truth, result, foreground, block)
    for name in ("seg", "det", "op_csb"):
        assert found[name] == pytest.approx(getattr(ctc, name)(truth, result), abs=1e-12, nan_ok=True)
    for name in ("iou", "dice"):
        assert found[name] == pytest.approx(getattr(overlap, name)(truth, foreground.astype(float)), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.floats(0.05, 0.9), st.tuples(st.just(1), st.integers(1, 20), st.integers(1, 22)))
def test_pair_counts_are_those_of_the_challenge_for_one_slice(seed, density, block):
    """The challenge's scores of a slice, whose objects are 4-connected, without thinning."""
    truth, result, foreground = scene(seed, density, (1, 20, 22))
    truth = np.where(truth == IGNORE, 0, truth)
    truth = label(truth > 0, neighbourhood(2, 1))[0]
    found = streamed(truth, result, foreground, block)
    expected = isbi2012.overlap(truth[0] > 0, result[0])
    assert found["rand_f_score"] == pytest.approx(isbi2012.rand_f_score(expected), abs=1e-12)
    assert found["information_score"] == pytest.approx(isbi2012.information_score(expected), abs=1e-12, nan_ok=True)


def test_many_blocks_are_added_up_in_between(monkeypatch):
    truth, result, foreground = scene(1, 0.5)
    straight = streamed(truth, result, foreground, (3, 20, 22))
    monkeypatch.setattr("unetflow.metrics.streaming.MANY", 3)
    assert streamed(truth, result, foreground, (1, 3, 3)) == pytest.approx(straight)
