"""What only a GPU can show; skipped where there is none."""

import numpy as np
import pytest
import torch
from test_fit import samples
from unetflow import inference, models
from unetflow.fit import Recipe, Training

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]


def network():
    torch.manual_seed(0)
    return models.build("unet", width=8, depth=2, norm="batch")


def test_prediction_equals_that_of_the_cpu():
    image = np.random.default_rng(0).normal(size=(90, 77)).astype(np.float32)
    on_cpu = inference.predict(network(), image)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    np.testing.assert_allclose(inference.predict(network().cuda(), image, tile=(32, 48)), on_cpu, atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_is_deterministic_and_resumes_to_the_same_bytes(tmp_path, monkeypatch, precision):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    recipe = Recipe(steps=8, optimizer="adamw", precision=precision, checkpoint_every=4, validate_every=4)
    runs = [Training(network(), recipe, 0, "cuda") for _ in range(3)]
    for run, checkpoint in zip(runs, ("a", "b", "b")):
        run.run(samples(size=60), lambda network: {}, tmp_path / checkpoint, lambda *seen: None)
    first, second, resumed = ({k: v.cpu() for k, v in run.average.items()} for run in runs)
    assert all(torch.equal(first[k], second[k]) and torch.equal(first[k], resumed[k]) for k in first)
