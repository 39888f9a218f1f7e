"""Model files: what is saved comes back; what was tampered with is refused."""

import pytest
import torch
from unetflow import models
from unetflow.sharing import modelfile

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


def test_weights_of_any_precision_are_computed_with_in_float32(saved):
    path, network = saved
    halves = {name: tensor.half() for name, tensor in network.state_dict().items()}
    modelfile.save(path, halves, {"architecture": ARCHITECTURE, "normalisation": {"mean": 3.0, "sd": 2.0}})
    loaded = modelfile.load(path)
    assert all(torch.equal(tensor, halves[name].float()) for name, tensor in loaded.state_dict().items())
    assert loaded(torch.zeros(1, 1, 20, 20)).dtype == torch.float32
