"""The prediction of a volume from its slabs, whose files are taken over as they are, with coarser levels to look at."""

import json
import shutil
from pathlib import Path

from unetflow import files, jobs
from unetflow.errors import InputError
from unetflow.volumes.pyramid import add_pyramid


def stitch(slabs, plan, prediction, workers, key):
    """Write ``prediction``, an OME-Zarr image, from the ``slabs``; ``plan`` (JSON) says how many files they hold.

    key : hash of the code. Levels that an interrupted run made are kept, as long as the slabs are the same.
    """
    expected = json.loads(Path(plan).read_text())["files"]
    with jobs.state_folder(prediction, files.fingerprint(key, *map(files.stamps, slabs))) as state:
        path = state / "prediction.zarr"
        shutil.copytree(slabs[0], path, ignore=shutil.ignore_patterns("c", ".snakemake*"), dirs_exist_ok=True)
        taken = sum(files.take_over(Path(slab, "0/c"), path / "0/c") for slab in slabs)
        if taken != expected:
            raise InputError(
                f"the slabs of {prediction} hold {taken} of {expected} files; "
                f"delete {Path(slabs[0]).parent} and run again"
            )
        add_pyramid(path, state, workers=workers)
        files.publish(path, prediction)


if __name__ == "__main__":
    with jobs.job(snakemake):
        stitch(
            slabs=snakemake.input.slabs,
            plan=snakemake.input.plan,
            prediction=snakemake.output.prediction,
            workers=snakemake.threads,
            key=snakemake.params.code,
        )
