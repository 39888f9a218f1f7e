"""What only a GPU can show; skipped where there is none."""

import numpy as np
import pytest
import torch
from test_fit import samples
from unetflow import engines, inference, models
from unetflow.augment import grid_displacement
from unetflow.blocks import Grid
from unetflow.gpu import FusedBlock
from unetflow.images.sources import Source
from unetflow.quantisation import convolutions, watch
from unetflow.training.deform import deformed
from unetflow.training.fit import Training
from unetflow.training.recipe import Recipe

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]


@pytest.fixture(autouse=True)
def exact_arithmetic(monkeypatch):
    """As `jobs.device` sets it."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def network():
    torch.manual_seed(0)
    return models.build("unet", width=8, depth=2, norm="batch")


def test_prediction_equals_that_of_the_cpu():
    image = np.random.default_rng(0).normal(size=(90, 77)).astype(np.float32)
    on_cpu = inference.predict(network(), image)
    np.testing.assert_allclose(inference.predict(network().cuda(), image, tile=(32, 48)), on_cpu, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "int32", "uint64", "float16", ">f4", "float64"])
def test_values_of_any_type_reach_the_gpu_as_the_same_numbers(dtype):
    image = np.random.default_rng(0).integers(0, 60000, (90, 77)).astype(dtype)
    on_cpu = inference.predict(network(), image.astype(np.float32))
    np.testing.assert_allclose(inference.predict(network().cuda(), image), on_cpu, atol=1e-4)


def test_how_far_values_reach_is_noted_on_a_gpu_as_on_a_cpu():
    image = torch.randn(1, 1, *network().valid_shape((60, 60)))
    on_cpu, on_gpu = network(), network().cuda()
    watch(on_cpu, [image])
    watch(on_gpu, [image.cuda()])
    for one, other in zip(convolutions(on_gpu).values(), convolutions(on_cpu).values()):
        torch.testing.assert_close(one.seen.cpu(), other.seen, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["unet", "fcn8s", "hypercolumn"])
@torch.inference_mode()
def test_fused_convolutions_round_no_more_than_single_ones_in_bfloat16(name):
    torch.manual_seed(0)
    built = models.build(name, width=16, norm="batch").cuda().eval()
    image = torch.randn(1, 1, *built.valid_shape((300, 260)), device="cuda")
    exact, fused = (engines.Torch(built, precision)(image) for precision in ("float32", "bfloat16"))
    with torch.autocast("cuda", torch.bfloat16):
        single = built(image).float()
    assert 0 < (fused - exact).square().mean() < 1.2 * (single - exact).square().mean() < 0.01 * exact.var()
    assert any(isinstance(module, FusedBlock) for module in engines.Torch(built, "bfloat16").model.modules())


@pytest.mark.parametrize("elastic", [{"form": "none"}, {"form": "grid", "grid": 3, "sigma": 5}])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_is_deterministic_and_resumes_to_the_same_bytes(tmp_path, monkeypatch, precision, elastic):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    how = {"optimizer": "adamw", "precision": precision, "elastic": elastic}
    recipe = Recipe(steps=8, checkpoint_every=4, validate_every=4, **how)
    runs = [Training(network(), recipe, 0, "cuda") for _ in range(3)]
    for run, checkpoint in zip(runs, ("a", "b", "b")):
        run.run(samples(size=60), lambda network: {}, tmp_path / checkpoint, lambda *seen: None)
    first, second, resumed = ({k: v.cpu() for k, v in run.average.items()} for run in runs)
    assert all(torch.equal(first[k], second[k]) and torch.equal(first[k], resumed[k]) for k in first)


def test_samples_are_deformed_as_on_a_cpu():
    offset = torch.from_numpy(grid_displacement((60, 70), np.random.default_rng(0)))[None]
    sample = torch.randn(1, 2, 60, 70), torch.randint(0, 3, (1, 60, 70), dtype=torch.uint8), torch.rand(1, 60, 70)
    on_gpu = [array.cpu() for array in deformed(*(array.cuda() for array in (offset, *sample)))]
    for index, (one, other) in enumerate(zip(on_gpu, deformed(offset, *sample))):
        differ = (one.float() - other.float()).abs() > 1e-3
        assert differ.float().mean() < (0.01 if index == 1 else 1e-6)  # labels halfway between two pixels may


def test_recorded_steps_are_those_of_one_kernel_after_the_other(tmp_path):
    """With dropout, across the step from which normalisation is fixed, and for both optimisers."""
    for optimizer in ("sgd", "adamw"):
        recipe = Recipe(steps=20, optimizer=optimizer, learning_rate=1e-4, warmup=5, average=0.9, clip=1, fix_norm=0.5)
        runs = []
        for _ in range(2):
            torch.manual_seed(0)
            unet = models.build("unet", width=8, depth=2, norm="batch")
            runs.append(Training(unet, recipe, 0, "cuda"))
        recorded, plain = runs
        plain.recorded = None
        for run in runs:
            torch.use_deterministic_algorithms(True)
            run.run(samples(size=60), lambda network: {}, tmp_path / f"{optimizer} {run is plain}", lambda *seen: None)
        assert recorded.recorded.graph is not None
        for name, tensor in recorded.average.items():
            torch.testing.assert_close(plain.average[name], tensor, rtol=0, atol=0)


def test_volumes_are_predicted_as_on_the_cpu():
    values = np.random.default_rng(0).integers(0, 255, (3, 90, 130), np.uint8)
    grid, found = Grid(values.shape, (1, 48, 64)), {}
    for device in ("cpu", "cuda"):
        result = found[device] = np.zeros((2, *values.shape), np.float32)
        inference.predict_blocks(
            inference.Predictor(network().to(device), tta=["0", "mirror_90"], moments=(100, 60)),
            Source("raw", values, "zyx", {}),
            list(grid),
            (32, 64),
            "float32",
            lambda block, tile, result=result: result.__setitem__((slice(None), *block.slices), tile),
            lambda done: None,
        )
    np.testing.assert_allclose(found["cuda"], found["cpu"], atol=1e-4)
