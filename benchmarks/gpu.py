"""What a GPU does with the paper's full network: training steps and the whole predict job against the bare network,
peers and the matrix units.

make bench-gpu, on a machine with a GPU; a line and a row in results/gpu.csv for each figure. MONAI is
compared with where it is installed.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))
import prediction  # noqa: E402
from prediction import SIZE  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from unetflow import inference, memory, models  # noqa: E402
from unetflow.datasets.stacks import Samples, write_chunk  # noqa: E402
from unetflow.engines import Torch  # noqa: E402
from unetflow.training.fit import Training  # noqa: E402
from unetflow.training.recipe import Recipe  # noqa: E402
from unetflow.volumes.plan import operations  # noqa: E402

NETWORK = {"name": "unet", "width": 64, "norm": "batch", "dropout": 0}
INPUT, OUTPUT, SAMPLES, STEPS = 572, 388, 64, 2000
RECIPE = {
    **{"optimizer": "adamw", "clip": 1, "average": 0.99, "symmetries": True, "precision": "bfloat16", "fix_norm": 0},
    **{"validate_every": 10**9, "checkpoint_every": 250},  # as config/modern.yaml
}
DEFORMED = {"": {"form": "none"}, ", deformed anew": {"form": "grid", "grid": 3, "sigma": 10}}
SLICES = 128  # so that what a job takes to start does not count
ROUNDS = 3


def seconds(work, repeats, rounds=ROUNDS):
    """Median over ``rounds`` of the seconds that ``work`` takes, called ``repeats`` times without waiting between."""
    times = []
    for _ in range(rounds):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / repeats)
    return statistics.median(times)


def matrix_rate():
    """TFLOP/s of a large product of matrices in bfloat16."""
    one, other = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    one @ other
    return 2 * 8192**3 / seconds(lambda: one @ other, 20) / 1e12


def network():
    torch.manual_seed(0)
    return models.build(**NETWORK)


def random_batch(size):
    """image, target and weight of ``size`` samples on the CPU, pinned."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(size, INPUT, INPUT)).astype(np.float32)
    target = rng.integers(0, 2, (size, OUTPUT, OUTPUT)).astype(np.uint8)
    weight = np.ones(target.shape, np.float32)
    return [torch.from_numpy(array).pin_memory() for array in (image, target, weight)]


def usual_step(batch):
    """A step as most people write it, on resident tensors: bfloat16, channels last, one kernel after the other."""
    torch.use_deterministic_algorithms(False)
    model = network().cuda().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    image, target, _ = (tensor.cuda() for tensor in batch)
    image, target = image[:, None].contiguous(memory_format=torch.channels_last), target.long()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(image), target)
        loss.backward()
        optimizer.step()

    for _ in range(5):
        step()
    return step


def our_step(batch, deterministic):
    """`Training.update` on one batch again and again."""
    torch.use_deterministic_algorithms(deterministic)
    run = Training(network(), Recipe(steps=10**6, batch=len(batch[0]), **RECIPE), 0, "cuda")

    def step():
        run.update(*batch)
        run.step += 1

    for _ in range(5):
        step()
    return step


def whole_training(folder, steps, batch, elastic):
    """(seconds per step of a training from chunks on disk, share of it spent waiting for samples)."""
    image, target, weight = (tensor.numpy() for tensor in random_batch(SAMPLES))
    around = ((0, 0), *[((INPUT - OUTPUT) // 2,) * 2] * 2)
    drawn = list(zip(image, np.pad(target, around), np.pad(weight, around)))
    write_chunk(folder / "chunk.zarr", drawn, [])
    run = Training(network(), Recipe(steps=steps, batch=batch, elastic=elastic, **RECIPE), 0, "cuda")
    began = []

    def report(step, seen):
        if step == 10:
            began.append(time.perf_counter())

    run.run(Samples([folder / "chunk.zarr"]), lambda _: {}, folder / "checkpoint", report)
    return (time.perf_counter() - began[0]) / (steps - 10), run.idle_share


def training_rows(peak):
    """(name, value, unit) of training steps."""
    with FlopCounterMode(display=False) as counter:
        memory.ghost(network())(torch.empty(1, 1, INPUT, INPUT, device="meta")).sum().backward()
    flops = counter.get_total_flops()
    for size in (1, 4):
        batch = random_batch(size)
        for name, make in (
            ("usual step on resident tensors", usual_step),
            ("our step", partial(our_step, deterministic=False)),
            ("our step, deterministic", partial(our_step, deterministic=True)),
        ):
            took = seconds(make(batch), 40)
            rate = size * flops / took / 1e12
            yield f"{name}, batch {size}", 1e3 * took, "ms"
            yield f"{name}, batch {size}", rate, "TFLOP/s"
            yield f"{name}, batch {size}", rate / peak, "of the matrix units"
            yield f"{name}, batch {size}", torch.cuda.max_memory_allocated() / 1e9, "GB"
            torch.cuda.reset_peak_memory_stats()
        for kind, elastic in DEFORMED.items():
            with tempfile.TemporaryDirectory() as folder:
                took, waited = whole_training(Path(folder), STEPS // size, size, elastic)
            yield f"training from chunks{kind}, deterministic, batch {size}", 1e3 * took, "ms"
            yield f"training from chunks{kind}, deterministic, batch {size}", waited, "waiting for samples"
        torch.use_deterministic_algorithms(False)


def prediction_rows(peak):
    """(name, value, unit) of predicting a stack of SLICES x SIZE x SIZE pixels, and a slice as others do."""
    image = np.random.default_rng(0).integers(0, 255, (SLICES, SIZE, SIZE), np.uint8)
    pixels = image.size / 1e6
    yield from peer_rows(image[0], network())
    with tempfile.TemporaryDirectory() as folder:
        yield "disk, a gigabyte written and brought there", disk_rate(Path(folder)), "MB/s"
        volume = prediction.planned(Path(folder), image, network(), NETWORK)
        plan = json.loads(volume.plan.read_text())
        shape = memory.window_shape(network(), plan["tile"])
        window = torch.randn(1, 1, *shape, device="cuda")
        bare = Torch(network().cuda().to(memory_format=torch.channels_last), "bfloat16")
        with torch.inference_mode():
            bare(window)
            alone = plan["tiles"] * seconds(lambda: torch.softmax(bare(window), dim=1), 20)
        yield f"bare network, tiles of {plan['tile']}", pixels / alone, "million pixels/s"
        rate = plan["tiles"] * operations(network(), shape) / alone / 1e12
        yield "bare network", rate, "TFLOP/s"
        yield "bare network", rate / peak, "of the matrix units"
        for store, writers in (("float16", 1), ("float16", 4), ("float16", 8), ("uint8", 4)):
            inference.WRITERS["cuda"] = writers
            took = job_seconds(volume, volume.job("torch", "bfloat16", "cuda", store=store))
            yield f"predict job, {store}, {writers} writers", pixels / took, "million pixels/s"
            yield f"predict job, {store}, {writers} writers", alone / took, "of the bare network"


def disk_rate(folder):
    """MB/s of one file written to the end: what a job's blocks may have to wait for."""
    content = np.random.default_rng(0).bytes(10**9)
    began = time.perf_counter()
    with open(folder / "gigabyte", "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    return 1000 / (time.perf_counter() - began)


def job_seconds(volume, job):
    """Median seconds of ``job``, each time without the slab of the last."""
    times = []
    for _ in range(ROUNDS):
        shutil.rmtree(volume.slab, ignore_errors=True)
        times.append(seconds(job, 1, rounds=1))
    return statistics.median(times)


def peer_rows(image, model):
    """(name, value, unit) of what users would pick instead, for one slice."""
    model, pixels = model.cuda().eval(), image.size / 1e6
    padded = prediction.padded_like(model, NETWORK)
    peers = {"naive 572 -> 388 loop, float32 with TF32, as PyTorch has it": partial(prediction.naive, model, image)}
    if find_spec("monai"):
        for dtype in (torch.float32, torch.bfloat16):
            name = f"MONAI sliding_window_inference, 512, 0.25, gaussian, 4 windows at once, {dtype}"
            peers[name] = partial(prediction.with_monai, padded, image, dtype, windows=4)
    else:
        print("MONAI is not installed: its rows are left out")
    for name, work in peers.items():
        work()
        yield name, pixels / seconds(work, 1), "million pixels/s"


def main():
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU; this benchmark is of one")
    peak = matrix_rate()
    rows = [("name of the GPU", torch.cuda.get_device_name(), "")]
    first = [("8192 x 8192 matrices, bfloat16", peak, "TFLOP/s")]
    for row in chain(first, training_rows(peak), prediction_rows(peak)):
        rows.append(row)
        print("{}: {:.4g} {}".format(*row), flush=True)
    (ROOT / "results").mkdir(exist_ok=True)
    pd.DataFrame(rows, columns=["name", "value", "unit"]).to_csv(ROOT / "results/gpu.csv", index=False)


if __name__ == "__main__":
    main()
