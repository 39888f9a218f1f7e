"""Class probabilities of a slab of a volume, block by block, in memory bounded by the block."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from unetflow import files, jobs, memory
from unetflow.blocks import Grid
from unetflow.images.sources import open_source
from unetflow.inference import Predictor, predict_blocks
from unetflow.normalisation import in_digits
from unetflow.sharing import modelfile
from unetflow.volumes.plan import check_unchanged
from unetflow.volumes.shards import prediction_shards


@dataclass(frozen=True)
class Inputs:
    """What a slab is made from: a `volumes` entry, the JSON of `plan_volume`, a model file."""

    volume: dict
    plan: str
    model: str


def predict_slab(inputs, slab, item, options, device, room, key):
    """Write ``slab``, a store laid out as the whole volume's prediction of which it holds the blocks of ``item``.

    item : "2-of-4". options : the `prediction` entry. room : bytes that the job may use. key : hash of code and volume.
    Blocks done by an interrupted run are kept if their files have the checksums that were noted.
    """
    source, plan = open_source(**inputs.volume), json.loads(Path(inputs.plan).read_text())
    check_unchanged(source, plan)
    network = modelfile.load(inputs.model, device)
    warn_of_other_values(source.name, network, plan["moments"])
    grid = Grid(source.shape, tuple(plan["block"]))
    key = files.fingerprint(key, options, plan, item, torch.get_num_threads(), device, network.description)
    with jobs.state_folder(slab, key) as state:
        store, blocks = prediction_shards(state, source, network, grid, options), grid.slab(item)
        todo = [block for block in blocks if not store.holds(block)]
        if len(todo) < len(blocks):
            jobs.log.info(f"{len(blocks) - len(todo)} of {len(blocks)} blocks are done already")
        predict_blocks(
            predictor_for(network, options, plan["moments"]),
            source,
            todo,
            tile_for(network, plan, source, options, room),
            options["store"],
            store.write,
            jobs.Progress(len(todo), "block"),
        )
        files.publish(store.path.parent, slab)


def predictor_for(network, options, moments):
    """The network, ready to be applied as ``options`` say to a volume with the ``moments``."""
    how = options["symmetries"], options["precision"], options["engine"], options["spread"]
    return Predictor(network, *how, moments)


def warn_of_other_values(name, network, moments):
    """Say so if the values of the volume ``name`` are far from those that the network was trained on."""
    (mean, sd), (expected, usual) = np.array([moments, network.normalisation or moments])
    if (abs(mean - expected) > 3 * usual).any() or not ((usual / 5 < sd) & (sd < 5 * usual)).all():
        jobs.log.warning(
            f"{name} has mean {in_digits(mean)} and standard deviation {in_digits(sd)}, but the network was trained on "
            f"{in_digits(expected)} and {in_digits(usual)}; unless it is mostly empty, convert the volume"
        )


def tile_for(network, plan, source, options, room):
    """The planned tile, or a smaller one if this job has less memory than was planned with."""
    if plan["bytes_of_memory"] <= room or options["tile"]:
        return tuple(plan["tile"])
    left = room - memory.buffer_bytes(source, network, plan["block"], options)
    tile = memory.best_tile(network, plan["block"][1:], left)
    jobs.log.info(f"{room / 1e6:.0f} MB are left, less than planned with: tiles of {tile} instead of {plan['tile']}")
    return tile


if __name__ == "__main__":
    with jobs.job(snakemake):
        device = jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads)
        predict_slab(
            inputs=Inputs(
                volume=snakemake.params.volume,
                plan=snakemake.input.plan,
                model=snakemake.input.model,
            ),
            slab=snakemake.output.slab,
            item=snakemake.wildcards.scatteritem,
            options=snakemake.params.prediction,
            device=device,
            room=memory.available(snakemake.resources.get("mem_mb"), device),
            key=[snakemake.params.code, snakemake.params.content],
        )
