"""Calibration: whether bins count what they say, against plain loops and against cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unetflow import IGNORE
from unetflow.metrics.calibration import BINS, ece, errors_by_spread, reliability


def looped(values, events, highest):
    """{bin: (pixels, mean, share)} pixel by pixel."""
    found = {}
    for value, event in zip(values, events):
        found.setdefault(min(int(value / highest * BINS), BINS - 1), []).append((value, event))
    return {k: (len(rows), *np.mean(rows, axis=0)) for k, rows in found.items()}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 12))
def test_bins_are_those_of_a_loop(seed, slices, size):
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 2, IGNORE], (slices, size, size))
    probability, spread = rng.random(labels.shape), rng.uniform(0, 0.5, labels.shape)
    known = labels != IGNORE
    wrong = (probability > 0.5) != (labels > 0)
    for bins, values, events, highest in (
        (reliability(labels, probability), probability, labels > 0, 1.0),
        (errors_by_spread(labels, probability, spread), spread, wrong, 0.5),
    ):
        expected = looped(values[known], events[known], highest)
        rows = {round(row["low"] / highest * BINS): row for row in bins.rows()}
        assert set(rows) == set(expected)
        for k, row in rows.items():
            assert (row["pixels"], row["mean"], row["share"]) == pytest.approx(expected[k])
    if known.any():
        bins = looped(probability[known], labels[known] > 0, 1).values()
        error = sum(n * abs(mean - share) for n, mean, share in bins) / known.sum()
        assert ece(labels, probability) == pytest.approx(error)


def test_known_cases():
    truth = np.array([[1, 0, 0, 0, IGNORE]])
    assert ece(truth, np.full(truth.shape, 0.25)) == 0
    assert ece(truth, np.full(truth.shape, 1.0)) == 0.75
    assert ece(truth, (truth == 1).astype(float)) == 0
    assert np.isnan(ece(np.full((2, 2), IGNORE), np.ones((2, 2))))
    assert ece([truth, truth], [np.full(truth.shape, 0.2), np.full(truth.shape, 0.9)]) == pytest.approx(0.35)
