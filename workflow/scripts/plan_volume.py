"""What predicting a volume will take, told before it begins."""

import json

import torch
from unetflow import jobs, memory
from unetflow.models import build
from unetflow.plan import in_words, lay_out, seconds_per_tile
from unetflow.sources import open_source


def plan_volume(volume, name, architecture, options, plan, speed, room, device):
    """Write ``plan`` (JSON, what `plan.lay_out` finds) and ``speed`` (JSON, measured here), and tell both.

    volume : the `volumes` entry called ``name``. architecture : what `models.build` takes; the weights don't matter.
    options : the `prediction` entry. room : bytes that a job may use.
    """
    torch.manual_seed(0)
    source = open_source(**volume)
    network = build(**architecture).to(device, memory_format=torch.channels_last).eval()
    planned = lay_out(source, network, options, room)
    seconds = seconds_per_tile(network, options, planned["tile"])
    for line in in_words(name, planned, seconds, device):
        jobs.log.info(line)
    jobs.write_atomically(speed, json.dumps({"device": device, "seconds_per_tile": seconds}, indent=2) + "\n")
    jobs.write_atomically(plan, json.dumps(planned, indent=2) + "\n")


if __name__ == "__main__":
    with jobs.job(snakemake):
        device = jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads)
        plan_volume(
            volume=snakemake.params.volume,
            name=snakemake.wildcards.volume,
            architecture=snakemake.params.architecture,
            options=snakemake.params.prediction,
            plan=snakemake.output.plan,
            speed=snakemake.output.speed,
            room=memory.available(snakemake.resources.get("mem_mb"), device),
            device=device,
        )
