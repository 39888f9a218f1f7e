"""What a recipe's network costs: parameters, arithmetic, seconds and memory of one image."""

import json
import resource
import statistics
import time

import numpy as np
import torch
from unetflow import files, jobs
from unetflow.experiment.found import architecture_found
from unetflow.inference import DEFAULT_TILE, predict_as
from unetflow.models import build
from unetflow.quantisation import watch_noise
from unetflow.tiles import fitting_tile, tiles
from unetflow.volumes.plan import operations

SIZE = 512  # pixels per side of the image, as in ISBI 2012
REPEATS = 3
ENOUGH = 2  # seconds after which it isn't repeated any more


def profile_model(profile, architecture, options, device):
    """Write ``profile`` (JSON): device, threads, parameters, gflop (one view of a SIZE x SIZE image, tiled as always),
    seconds (median of at most REPEATS) and peak_mb, of the process or the GPU, for one such image under ``options``.

    architecture : what `models.build` takes; the weights don't matter. options : the `prediction` entry.
    """
    torch.manual_seed(0)
    network = build(**architecture).to(device, memory_format=torch.channels_last).eval()
    watch_noise(network)
    image = np.random.default_rng(0).normal(size=(network.in_channels, SIZE, SIZE)).astype(np.float32)
    predict_as(options, network, image)  # compiled, and memory claimed
    seconds = []
    while len(seconds) < REPEATS and sum(seconds) < ENOUGH:
        seconds.append(seconds_of(options, network, image))
    peak = torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else peak_rss_mb()
    result = {
        "device": device,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "gflop": operations_of(network, options["tile"] or DEFAULT_TILE) / 1e9,
        "seconds": statistics.median(seconds),
        "peak_mb": peak,
    }
    files.write_atomically(profile, json.dumps(result, indent=2) + "\n")


def operations_of(network, tile):
    """Floating-point operations of one view of the image by tiles of ``tile`` (y, x)."""
    parts = tiles((SIZE, SIZE), fitting_tile((SIZE, SIZE), tile, network.stride), network)
    return len(parts) * operations(network, parts[0].read_shape)


def seconds_of(options, network, image):
    began = time.perf_counter()
    predict_as(options, network, image)
    return time.perf_counter() - began


def peak_rss_mb():
    """Largest resident memory that this process had, in MB (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    with jobs.job(snakemake):
        profile_model(
            profile=snakemake.output.profile,
            architecture=architecture_found(snakemake.params.architecture, snakemake.input.recipe),
            options=snakemake.params.prediction,
            device=jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads),
        )
