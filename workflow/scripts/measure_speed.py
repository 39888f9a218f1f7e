"""How long predicting a volume will take, from a measurement on this device."""

import json
from pathlib import Path

import torch
from unetflow import files, jobs
from unetflow.experiment.found import architecture_found
from unetflow.models import build
from unetflow.quantisation import watch_noise
from unetflow.volumes.speed import in_words, seconds_per_tile


def measure_speed(plan, architecture, options, speed, device):
    """Write ``speed`` (JSON: device, seconds per tile), and tell what that means for ``plan`` (JSON).

    architecture : what `models.build` takes; the weights don't matter. options : the `prediction` entry.
    """
    torch.manual_seed(0)
    planned = json.loads(Path(plan).read_text())
    network = build(**architecture).to(device, memory_format=torch.channels_last).eval()
    watch_noise(network)
    seconds = seconds_per_tile(network, options, planned["tile"])
    for line in in_words(planned, seconds, device):
        jobs.log.info(line)
    files.write_atomically(speed, json.dumps({"device": device, "seconds_per_tile": seconds}, indent=2) + "\n")


if __name__ == "__main__":
    with jobs.job(snakemake):
        measure_speed(
            plan=snakemake.input.plan,
            architecture=architecture_found(snakemake.params.architecture, snakemake.input.recipe),
            options=snakemake.params.prediction,
            speed=snakemake.output.speed,
            device=jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads),
        )
