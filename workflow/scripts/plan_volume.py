"""How a volume will be cut, and what that takes, told before it begins."""

import json

from unetflow import files, jobs, memory
from unetflow.datasets.checks import sizes_in_words
from unetflow.experiment.found import architecture_found
from unetflow.images.sources import open_with_truth
from unetflow.models import build
from unetflow.volumes.plan import in_words, lay_out


def plan_volume(volume, truth, architecture, options, plan, room):
    """Write ``plan`` (JSON, what `plan.lay_out` finds), and tell it.

    volume, truth : what `open_source` takes; truth may be None. architecture : what `models.build` takes; the weights
    don't matter. options : the `prediction` entry. room : bytes that a job may use.
    """
    source = open_with_truth(volume, truth)
    planned = lay_out(source, build(**architecture), options, room)
    for line in [*in_words(source.name, planned), *(f"images {text}" for text in sizes_in_words(source))]:
        jobs.log.info(line)
    files.write_atomically(plan, json.dumps(planned, indent=2) + "\n")


if __name__ == "__main__":
    with jobs.job(snakemake):
        device = jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads)
        plan_volume(
            volume=snakemake.params.volume,
            truth=snakemake.params.truth,
            architecture=architecture_found(snakemake.params.architecture, snakemake.input.recipe),
            options=snakemake.params.prediction,
            plan=snakemake.output.plan,
            room=memory.available(snakemake.resources.get("mem_mb"), device),
        )
