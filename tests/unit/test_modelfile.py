"""Model files: what is saved comes back; what was tampered with is refused."""

import pytest
import torch
from unetflow import modelfile, models

ARCHITECTURE = {"name": "unet", "in_channels": 1, "classes": 2, "width": 2, "depth": 1}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    network = models.build(**ARCHITECTURE)
    description = {"architecture": ARCHITECTURE, "normalisation": {"mean": 3.0, "sd": 2.0}}
    modelfile.save(path, network.state_dict(), description)
    return path, network


def test_what_is_saved_comes_back(saved):
    path, network = saved
    loaded = modelfile.load(path)
    assert loaded.normalisation == (3.0, 2.0) and not loaded.training
    image = torch.randn(1, 1, 20, 20)
    torch.testing.assert_close(loaded(image), network.eval()(image))
