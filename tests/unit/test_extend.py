"""What docs/extend.md shows works as it stands, and is as short as it says."""

import re

import numpy as np
import pytest
import torch
from conftest import ROOT
from unetflow import IGNORE
from unetflow.datasets.readers import READERS
from unetflow.inference import predict
from unetflow.metrics.registry import METRICS
from unetflow.models import MODELS, build

BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/extend.md").read_text(), re.M | re.S)
CODE = [block for block in BLOCKS if not block.startswith("module")]


@pytest.fixture
def extended(monkeypatch):
    for registry in (METRICS, READERS, MODELS):
        for name in list(registry):
            monkeypatch.setitem(registry, name, registry[name])  # what is added goes again
    before = [set(registry) for registry in (METRICS, READERS, MODELS)]
    for block in CODE:
        exec(block, {})
    yield
    for registry, names in zip((METRICS, READERS, MODELS), before):
        for name in set(registry) - names:
            del registry[name]


def test_each_is_shorter_than_thirty_lines():
    assert len(CODE) == 3 and all(block.count("\n") < 30 for block in CODE)


def test_the_metric(extended):
    truth, found = np.array([[1, 2, 0, IGNORE]]), np.array([[5, 5, 0, 7]])
    assert METRICS["count_error"].function([truth], [found]) == 0.5


def test_the_reader(extended, tmp_path):
    np.savez(tmp_path / "b.npz", image=np.eye(3))
    np.savez(tmp_path / "a.npz", image=np.eye(3), labels=np.eye(3, dtype=int))
    assert [(one.name, one.labels is None) for one in READERS["npz"](tmp_path)] == [("a", False), ("b", True)]


def test_the_network_is_tiled_without_seams(extended):
    network, image = build("plain", width=3), np.random.default_rng(0).random((37, 41), dtype=np.float32)
    with torch.no_grad():
        whole, tiled = predict(network, image, tile=(64, 64)), predict(network, image, tile=(7, 11))
    np.testing.assert_allclose(whole, tiled, atol=1e-6)
