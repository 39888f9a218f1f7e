"""How a volume will be cut, and what that takes, told before it begins."""

import json

from unetflow import jobs, memory
from unetflow.errors import InputError
from unetflow.models import build
from unetflow.plan import in_words, lay_out
from unetflow.sources import open_source


def plan_volume(volume, truth, architecture, options, plan, room):
    """Write ``plan`` (JSON, what `plan.lay_out` finds), and tell it.

    volume, truth : what `open_source` takes; truth may be None. architecture : what `models.build` takes; the weights
    don't matter. options : the `prediction` entry. room : bytes that a job may use.
    """
    source = checked_source(volume, truth)
    planned = lay_out(source, build(**architecture), options, room)
    for line in in_words(source.name, planned):
        jobs.log.info(line)
    jobs.write_atomically(plan, json.dumps(planned, indent=2) + "\n")


def checked_source(volume, truth):
    """The opened volume. Raises InputError for what would only be found out after hours of prediction."""
    source = open_source(**volume)
    if source.voxel_size is None:
        raise InputError(
            f"{source.name} does not say how large its voxels are; add voxel_size: [z, y, x] and unit to the volume in "
            f"the configuration ([1, 1, 1] if nobody knows)"
        )
    labels = open_source(**truth) if truth else source
    if labels.shape != source.shape:
        raise InputError(
            f"{labels.name} has shape {labels.shape}, but the volume {source.shape}; correct its `truth` in the "
            f"configuration"
        )
    return source


if __name__ == "__main__":
    with jobs.job(snakemake):
        device = jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads)
        plan_volume(
            volume=snakemake.params.volume,
            truth=snakemake.params.truth,
            architecture=snakemake.params.architecture,
            options=snakemake.params.prediction,
            plan=snakemake.output.plan,
            room=memory.available(snakemake.resources.get("mem_mb"), device),
        )
