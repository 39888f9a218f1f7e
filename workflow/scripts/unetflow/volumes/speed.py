"""How fast this device predicts a volume, and so how long it will take."""

import time

import numpy as np

from .. import memory
from ..inference import Predictor

SLABS = (1, 4, 16, 64)  # numbers of slabs for which hours are told
START_UP = 6.0  # seconds that a job takes before it computes


def seconds_per_tile(network, options, tile, repeats=2):
    """Measured seconds of this device for one tile with all its symmetries, after one to warm up."""
    predictor = Predictor(network, options["symmetries"], options["precision"], options["engine"])
    window = np.zeros((network.in_channels, *memory.window_shape(network, tile)), np.float32)
    predictor(window).cpu()
    began = time.perf_counter()
    for _ in range(repeats):
        result = predictor(window)
    result.cpu()  # a GPU has computed all of them then
    return (time.perf_counter() - began) / repeats


def hours(plan, seconds, slabs):
    """Hours of each of ``slabs`` jobs, all at work at once on devices like this one."""
    return (START_UP + seconds * plan["full_tiles"] / min(slabs, plan["blocks"])) / 3600


def in_words(plan, seconds, device):
    """Speed and hours as lines for people."""
    rate = plan["voxels"] / plan["full_tiles"] / seconds / 1e6
    yield f"{rate:.3g} million voxels per second on this {device}"
    told = ", ".join(f"{hours(plan, seconds, n):.3g} h in {n}" for n in SLABS if n <= plan["blocks"])
    yield f"expected, by number of slabs: {told}, with a device like this one for each slab"
