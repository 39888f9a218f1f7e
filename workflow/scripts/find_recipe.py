"""The recipe that follows from the annotated training slices of a fold and from this device."""

import time

import numpy as np
import torch
from unetflow import files, jobs, memory
from unetflow.datasets.stacks import Volume, read_split
from unetflow.gpu import WARM_UP
from unetflow.models import build
from unetflow.training import auto
from unetflow.training.fit import Training
from unetflow.training.recipe import Recipe

TIMED = 3  # steps


def find_recipe(volume, splits, recipe, fold, labels, device, room):
    """Write ``recipe`` (YAML, `auto.SECTIONS`), and tell what it follows from and how long training will take.

    labels : "instances", "binary" or "classes". room : bytes that training may take.
    """
    volume, names = Volume(volume), read_split(splits, fold)["train"]
    found = auto.statistics([volume.labels(name) for name in names])
    derived = auto.derive(found, labels, device, room)
    minutes = derived["training"]["steps"] * seconds_per_step(derived, device) / 60
    lines = [
        "The recipe of `training: auto`. Edit it, and the same command trains by it; delete it, and it is made anew.",
        f"Follows from: {', '.join(f'{key} {value}' for key, value in found.items())}; {device}, {room / 1e9:.1f} GB.",
        f"Expected here: {minutes:.0f} minutes of training on {device} with {torch.get_num_threads()} threads.",
    ]
    for line in lines[1:]:
        jobs.log.info(line)
    files.write_atomically(recipe, auto.in_yaml(derived, lines))


def seconds_per_step(derived, device):
    """Seconds of a training step on random data, of those with fixed normalisation, which most are."""
    training = Training(build("unet", **derived["network"]), Recipe(**derived["training"]), 0, device)
    shape = (derived["augmentation"]["input"],) * 2
    rng = np.random.default_rng(0)
    sample = rng.normal(size=shape).astype(np.float32), rng.integers(0, 2, shape, np.uint8), np.ones(shape, np.float32)
    batch, training.step = training.batches([sample])[0], training.first_fixed

    def steps(count):
        for _ in range(count):
            loss = training.update(*batch)
        loss()  # a GPU has computed all of them then

    steps(1 if device == "cpu" else WARM_UP + 1)
    began = time.perf_counter()
    steps(TIMED)
    return (time.perf_counter() - began) / TIMED


if __name__ == "__main__":
    with jobs.job(snakemake):
        device = jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads)
        find_recipe(
            volume=snakemake.input.volume,
            splits=snakemake.input.splits,
            recipe=snakemake.output.recipe,
            fold=snakemake.wildcards.fold,
            labels=snakemake.params.labels,
            device=device,
            room=memory.available(snakemake.resources.get("mem_mb"), device),
        )
