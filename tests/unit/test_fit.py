"""Training: the loss, the schedule, learning at all, and going on after an interruption to the same bytes."""

import math
import platform
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT
from unetflow import IGNORE, models
from unetflow.datasets import synthetic
from unetflow.inference import predict
from unetflow.models.network import centre_crop
from unetflow.training import batches, checkpoints, fit
from unetflow.training.batches import largest_valid
from unetflow.training.fit import Training, learning_rate
from unetflow.training.losses import balanced_sample, cross_entropy_and_dice, weighted_cross_entropy
from unetflow.training.recipe import Recipe
from unetflow.weights import separate_touching, weight_map


def small(seed=0):
    torch.manual_seed(seed)
    return models.build("unet", width=4, depth=1, norm="batch", dropout=0.2)


def samples(count=5, size=36):
    """Bright squares on noise; the target is the square."""
    rng, result = np.random.default_rng(0), []
    for _ in range(count):
        target = np.zeros((size, size), np.uint8)
        y, x = rng.integers(4, size - 16, 2)
        target[y : y + 12, x : x + 12] = 1
        image = (target * 2 - 1 + rng.normal(0, 0.3, target.shape)).astype(np.float32)
        result.append((image, target, np.ones((size, size), np.float32)))
    return result


RECIPE = Recipe(
    steps=12,
    optimizer="adamw",
    learning_rate=0.01,
    average=0.9,
    symmetries=True,
    fix_norm=1 / 3,  # from step 4 on, where a checkpoint is
    validate_every=5,
    checkpoint_every=4,
)


def trained(recipe, checkpoint, stop_after=None, validate=lambda network: {}):
    class StopError(Exception):
        pass

    def report(step, seen):
        if step == stop_after and not isinstance(seen, dict):
            raise StopError

    run = Training(small(), recipe, seed=3, device="cpu")
    try:
        run.run(samples(), validate, checkpoint, report)
    except StopError:
        pass
    return run


def state_bytes(run):
    parts = {"model": run.model.state_dict(), "average": run.average, "best": run.best}
    return {(part, name): tensor.numpy().tobytes() for part in parts for name, tensor in parts[part].items()}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("stop_after", [1, 4, 6, 11])
def test_resumed_training_ends_with_the_same_bytes(tmp_path, optimizer, stop_after):
    recipe = Recipe(**{**RECIPE.__dict__, "optimizer": optimizer})
    straight = trained(recipe, tmp_path / "straight")
    trained(recipe, tmp_path / "broken", stop_after)
    resumed = trained(recipe, tmp_path / "broken")
    assert resumed.step == straight.step == recipe.steps
    assert state_bytes(resumed) == state_bytes(straight)
    assert resumed.history == straight.history


def test_a_resumed_optimiser_has_its_moments_laid_out_as_the_weights(tmp_path, monkeypatch):
    """As fused kernels on a GPU ask for."""
    monkeypatch.setattr(fit, "memory_format", lambda precision, device: torch.channels_last)
    trained(RECIPE, tmp_path / "c", stop_after=6)
    run = Training(small(), RECIPE, seed=3, device="cpu")
    run.load(tmp_path / "c")
    pairs = [(p, state[key]) for p, state in run.optimizer.state.items() for key in ("exp_avg", "exp_avg_sq")]
    assert pairs and all(moment.stride() == parameter.stride() for parameter, moment in pairs)
    assert any(not parameter.is_contiguous() for parameter, _ in pairs)


def test_a_checkpoint_is_of_its_step_and_the_next_one_comes_after_a_rest(tmp_path, monkeypatch):
    """What is trained on while a checkpoint is written doesn't show in it, and writing takes little of the time."""
    run, clock = Training(small(), RECIPE, seed=3, device="cpu"), [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: clock[0])

    def saved():
        return checkpoints.load(tmp_path / "c", run.optimizer, "cpu")[1]["step"]

    def slow(*arguments):
        released.wait()
        clock[0] += 1
        return write(*arguments)

    write, released = checkpoints.save_file, threading.Event()
    monkeypatch.setattr(checkpoints, "save_file", slow)
    first = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    with checkpoints.Saver(tmp_path / "c") as save:
        save(*run.state())
        for tensor in run.model.state_dict().values():
            tensor.zero_()
        run.step = 1
        save(*run.state())  # the first is still being written
        released.set()
        save.writing.result()
        run.step = 2
        clock[0] = checkpoints.REST  # a second after the first, which took one, began
        save(*run.state())
        assert saved() == 0
        weights = checkpoints.load(tmp_path / "c", run.optimizer, "cpu")[0]["model"]
        assert all(torch.equal(weights[name], tensor) for name, tensor in first.items())
        run.step, clock[0] = 3, checkpoints.REST + 1
        save(*run.state())
    assert saved() == 3


def test_a_checkpoint_that_cant_be_written_ends_the_training(tmp_path):
    run = Training(small(), RECIPE, seed=3, device="cpu")
    with pytest.raises(Exception, match="No such file"), checkpoints.Saver(tmp_path / "missing" / "c") as save:
        save(*run.state())


def test_another_seed_trains_otherwise(tmp_path):
    one, other = (Training(small(), RECIPE, seed, "cpu") for seed in (1, 2))
    for run in (one, other):
        run.run(samples(), lambda network: {}, tmp_path / str(run.seed), lambda *seen: None)
    assert state_bytes(one) != state_bytes(other)


def test_batches_come_in_order_however_many_read_them(monkeypatch):
    """The first ones take longest to read."""

    class Slow(list):
        def __getitem__(self, index):
            reads.append(index)
            time.sleep(0.05 / len(reads))
            return super().__getitem__(index)

    reads = []
    monkeypatch.setitem(batches.READERS, "cpu", 3)
    run = Training(small(), replace(RECIPE, batch=2, pixels=50), seed=3, device="cpu")
    alone = run.batches(samples())
    for step, batch in enumerate(run.batches(Slow(samples())).ahead(4, "cpu"), 4):
        assert all(torch.equal(one, other) for one, other in zip(batch, alone[step]))
    assert step == RECIPE.steps - 1 and len(reads) == 2 * (RECIPE.steps - 4)


def test_it_learns(tmp_path):
    run = trained(Recipe(steps=60, optimizer="adamw", learning_rate=0.01, validate_every=10), tmp_path / "c")
    assert run.history[-1]["loss"] < 0.3 * run.history[0]["loss"]


def test_batch_normalisation_is_fixed_after_its_share_of_the_steps(tmp_path):
    """From then on a step sees the network that predicts: statistics stay, and samples don't influence each other."""

    def statistics(run):
        return {name: tensor.clone() for name, tensor in run.model.state_dict().items() if "running" in name}

    seen, recipe = {}, Recipe(**{**RECIPE.__dict__, "fix_norm": 0.5})
    run = Training(small(), recipe, seed=3, device="cpu")

    def report(step, row):
        if not isinstance(row, dict):
            averaged = {name: run.average[name].clone() for name in statistics(run)}
            seen[step] = statistics(run), averaged, run.model.down[0][1].training

    run.run(samples(), lambda network: {}, tmp_path / "c", report)
    assert [step for step, (*_, training) in seen.items() if not training] == [7, 8, 9, 10, 11, 12]
    for name in seen[6][0]:
        assert not torch.equal(seen[5][0][name], seen[6][0][name])
        assert torch.equal(seen[7][0][name], seen[6][1][name]), "the averaged statistics stay"
        assert torch.equal(seen[12][0][name], seen[7][0][name])


def test_clipped_gradients_move_the_weights_no_further(tmp_path):
    def moved(clip):
        run = Training(small(), Recipe(steps=1, momentum=0.0, learning_rate=1.0, clip=clip), seed=3, device="cpu")
        before = [parameter.detach().clone() for parameter in run.model.parameters()]
        run.run(samples(), lambda network: {}, tmp_path / str(clip), lambda *seen: None)
        steps = [(a - b).norm() for a, b in zip(run.model.parameters(), before)]
        return torch.stack(steps).norm().item()

    assert moved(0.01) == pytest.approx(0.01, rel=1e-3) and moved(None) > 0.02


def test_balanced_pixels_are_as_many_of_either_class_and_known_ones_only():
    rng = np.random.default_rng(0)
    target = (rng.random((2, 30, 30)) < 0.1).astype(np.uint8)
    weight = np.where(rng.random(target.shape) < 0.7, 2.0, 0.0).astype(np.float32)
    drawn = balanced_sample(target, weight, 60, np.random.default_rng(1))
    for k in range(2):
        for label in (0, 1):
            assert (drawn[k][target[k] == label] > 0).sum() == 30
    assert ((drawn == weight) | (drawn == 0)).all()
    with_border = np.where(target * (np.arange(30) % 2) > 0, 2, target)
    np.testing.assert_array_equal(balanced_sample(with_border, weight, 60, np.random.default_rng(1)), drawn)
    few = balanced_sample(target, weight, 4000, np.random.default_rng(1))
    np.testing.assert_array_equal(few, weight)


def test_training_on_balanced_pixels_learns_and_resumes(tmp_path):
    recipe = Recipe(**{**RECIPE.__dict__, "pixels": 50})
    straight = trained(recipe, tmp_path / "straight")
    trained(recipe, tmp_path / "broken", stop_after=6)
    assert state_bytes(trained(recipe, tmp_path / "broken")) == state_bytes(straight)
    assert state_bytes(straight) != state_bytes(trained(RECIPE, tmp_path / "all"))
    recipe = Recipe(steps=60, optimizer="adamw", learning_rate=0.01, pixels=50, validate_every=10)
    run = trained(recipe, tmp_path / "c")
    assert run.history[-1]["loss"] < 0.3 * run.history[0]["loss"]


def test_cells_without_an_outline_are_not_suppressed(tmp_path):
    """Two frames, of which the second has only some of its cells outlined, the rest of it being unknown.

    Means over three networks, since one small network finds more or less by chance.
    """
    images, labels = synthetic.cell_images(slices=2, size=128, cells=10, seed=0)
    partial = np.where(labels[1] % 3 == 1, labels[1], 0)
    missing = (labels[1] > 0) & (partial == 0)

    def found(unknown, seed):
        truth = [labels[0], np.where(partial > 0, partial, unknown)]
        frames = [
            ((image - images.mean()) / images.std(), target > 0, weight_map(separate_touching(target), w0=0))
            for image, target in zip(images, truth)
        ]
        frames = [tuple(a.astype(t) for a, t in zip(f, (np.float32, np.uint8, np.float32))) for f in frames]
        torch.manual_seed(seed)
        model = models.build("unet", width=8, depth=2, dropout=0)
        recipe = Recipe(steps=160, optimizer="adamw", learning_rate=0.003, schedule="cosine", validate_every=160)
        run = Training(model, recipe, seed=seed, device="cpu")
        run.run(frames, lambda network: {}, tmp_path / f"{unknown} {seed}", lambda *seen: None)
        return predict(run.averaged(), frames[1][0])[1][missing].mean()

    ignored, suppressed = ([found(unknown, seed) for seed in range(3)] for unknown in (IGNORE, 0))
    assert np.mean(ignored) > np.mean(suppressed) + 0.2, (ignored, suppressed)
    assert np.mean(ignored) > 0.6, ignored


def test_the_middle_alone_is_trained_on(tmp_path):
    def moved(recipe, size):
        run = Training(small(), recipe, seed=3, device="cpu")
        middle = [tuple(centre_crop(a, (size, size)) for a in arrays) for arrays in samples()]
        run.run(middle, lambda network: {}, tmp_path / f"{recipe.output} {size}", lambda *seen: None)
        return state_bytes(run)

    context = small().context
    recipe = Recipe(steps=3, output=12)
    assert moved(recipe, 36) == moved(recipe, 12 + 2 * context) != moved(Recipe(steps=3), 36)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("rate", [0, 0.1])
def test_the_encoder_is_frozen_or_changes_slowly_and_training_resumes(tmp_path, optimizer, rate):
    recipe = Recipe(**{**RECIPE.__dict__, "optimizer": optimizer, "encoder_rate": rate, "momentum": 0})
    before = small().state_dict()

    def moved(run, part):
        return max((t - before[n]).abs().max().item() for n, t in run.model.state_dict().items() if n.startswith(part))

    straight = trained(recipe, tmp_path / "straight")
    trained(recipe, tmp_path / "broken", stop_after=6)
    assert state_bytes(trained(recipe, tmp_path / "broken")) == state_bytes(straight)
    full = trained(Recipe(**{**recipe.__dict__, "encoder_rate": 1}), tmp_path / "full")
    assert moved(straight, "merge") > 0 and moved(full, "down") > 0
    if rate == 0:
        assert moved(straight, "down") == 0, "neither weights nor statistics"
    else:
        weights = [moved(run, "down.0.0.weight") for run in (straight, full)]
        assert 0 < weights[0] < 0.5 * weights[1]


def test_bfloat16_learns_too(tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "usable", lambda precision, device: precision)  # imitated if need be
    recipe = Recipe(steps=60, optimizer="adamw", learning_rate=0.01, precision="bfloat16", validate_every=10)
    run = trained(recipe, tmp_path / "c")
    assert run.history[-1]["loss"] < 0.5 * run.history[0]["loss"]
    assert all(tensor.dtype != torch.bfloat16 for tensor in run.average.values()), "weights stay in float32"


def test_best_weights_are_those_of_the_lowest_validation_loss(tmp_path):
    losses = iter([3.0, 1.0, 2.0])
    weights = []

    def validate(network):
        weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return {"validation_loss": next(losses)}

    run = trained(RECIPE, tmp_path / "c", validate=validate)
    assert [row["validation_loss"] for row in run.history] == [3.0, 1.0, 2.0]
    assert all(torch.equal(run.best[name], tensor) for name, tensor in weights[1].items())


def test_loss_is_the_weighted_mean_of_log_probabilities():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(2, 3, 5, 4)))
    target, weight = rng.integers(0, 3, (2, 5, 4)).astype(np.uint8), rng.random((2, 5, 4))
    weight[0, 0] = 0
    target[0, 0] = 255  # unknown pixels may hold anything
    total = 0.0
    for n, y, x in np.ndindex(2, 5, 4):
        if weight[n, y, x]:
            p = np.exp(logits[n, :, y, x].numpy())
            total -= weight[n, y, x] * math.log(p[target[n, y, x]] / p.sum())
    ours = weighted_cross_entropy(logits, torch.from_numpy(target), torch.from_numpy(weight))
    assert ours.item() == pytest.approx(total / weight.sum(), rel=1e-5)


def test_the_dice_term_is_that_of_known_pixels():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(2, 2, 5, 4)))
    target, weight = rng.integers(0, 2, (2, 5, 4)).astype(np.uint8), rng.random((2, 5, 4))
    weight[0, 0] = 0
    target[0, 0] = 255, 1, 0, 1  # unknown pixels may hold anything
    known = weight > 0
    p, t = torch.softmax(logits, 1)[:, 1].numpy()[known], target[known]
    dice = (2 * (p * t).sum() + 1) / ((p**2).sum() + t.sum() + 1)
    arguments = logits, torch.from_numpy(target), torch.from_numpy(weight)
    ours = cross_entropy_and_dice(*arguments) - weighted_cross_entropy(*arguments)
    assert ours.item() == pytest.approx(1 - dice, rel=1e-5)
    bordered = torch.cat([logits, torch.full_like(logits[:, :1], -80)], dim=1)
    of_three = cross_entropy_and_dice(bordered, *arguments[1:]) - weighted_cross_entropy(bordered, *arguments[1:])
    assert of_three.item() == pytest.approx(1 - (dice + 1) / 2, rel=1e-5), "the mean of both, of which one is nowhere"
    certain = torch.stack([1 - torch.from_numpy(target).float(), torch.from_numpy(target).float()], dim=1) * 80 - 40
    certain[0, :, 0] = 0
    assert cross_entropy_and_dice(certain, *arguments[1:]).item() == pytest.approx(0, abs=1e-6)


def test_a_tile_without_known_pixels_costs_nothing():
    zero = weighted_cross_entropy(
        torch.randn(1, 2, 3, 3), torch.zeros(1, 3, 3, dtype=torch.uint8), torch.zeros(1, 3, 3)
    )
    assert zero.item() == 0


def test_schedule():
    recipe = Recipe(steps=110, learning_rate=1.0, schedule="cosine", warmup=10)
    assert learning_rate(recipe, 0) == pytest.approx(0.1)
    assert learning_rate(recipe, 10) == 1.0
    assert learning_rate(recipe, 60) == pytest.approx(0.5)
    assert learning_rate(recipe, 109) < 0.001
    assert learning_rate(Recipe(steps=10, learning_rate=0.3), 9) == 0.3


def test_largest_valid_input():
    network = models.build("unet", width=1, depth=4)
    assert largest_valid(network, (572, 587)) == (572, 572)
    assert largest_valid(network, (588, 190)) == (588, 188)


FAULTS = """
import resource, sys, torch
sys.path[:0] = ["workflow/scripts", "tests", "tests/unit"]
from test_fit import RECIPE, trained

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(10**7)  # 40 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.ones(1)
before = faults()
trained(RECIPE, sys.argv[1])
faults()
print(before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="NOT TESTED: needs glibc")
def test_memory_of_a_step_serves_the_next_one(tmp_path):
    command = [sys.executable, "-c", FAULTS, str(tmp_path / "checkpoint.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    before, after = map(int, done.stdout.split())
    assert before > 4 * 10**7 * 4 / 2**21 and after < before / 10  # pages of at most 2 MB
