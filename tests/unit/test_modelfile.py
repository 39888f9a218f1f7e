"""Model files: what is saved comes back; what was tampered with is refused."""

import hashlib
import json
import pickle

import pytest
import torch
from unetflow import modelfile, models
from unetflow.errors import InputError

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


def test_tampered_weights_are_refused(saved):
    path, _ = saved
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"is not the file that model\.json describes"):
        modelfile.load(path)


def test_another_architecture_is_refused(saved):
    path, _ = saved
    description = json.loads(path.with_suffix(".json").read_text())
    description["architecture"]["width"] = 3
    path.with_suffix(".json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="does not hold the weights of the network"):
        modelfile.load(path)


def test_pickles_are_never_loaded(saved):
    path, _ = saved
    path.write_bytes(pickle.dumps({"weights": 1}))
    description = json.loads(path.with_suffix(".json").read_text())
    description["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="does not hold the weights"):
        modelfile.load(path)


def test_missing_description(saved):
    path, _ = saved
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match=r"model\.json is missing"):
        modelfile.load(path)
