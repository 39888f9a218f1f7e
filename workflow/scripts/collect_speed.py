"""What every recipe costs: its profile, and the time that its training took."""

import json
from pathlib import Path

import pandas as pd
from unetflow import jobs
from unetflow.experiment.names import recipe_of

COLUMNS = ["model", "seconds", "views", "peak_mb", "gflop", "parameters", "training_s", "trained", "device", "threads"]


def collect_speed(profiles, runtime, table, views, members):
    """Write ``table``, a row per recipe.

    seconds, peak_mb : to predict one 512 x 512 image in ``views`` symmetries. gflop : arithmetic of one view of it.
    training_s : mean wall time of a training, of which there were ``trained``; of an ensemble, those of its members.

    profiles : dict recipe -> path of its profile. views : dict recipe -> number of symmetries. members : dict recipe ->
    [fold, model] of the members of an ensemble; empty if it is none.
    """
    times = pd.read_csv(runtime).query("rule == 'train'")
    rows = []
    for model, profile in profiles.items():
        own = times["model"].map(recipe_of) == model
        trained = times[times["model"].isin([name for _, name in members[model]]) if members[model] else own]["wall_s"]
        row = {"model": model, "views": views[model], "training_s": trained.mean(), "trained": len(trained)}
        rows.append(json.loads(Path(profile).read_text()) | row)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(table, index=False)


if __name__ == "__main__":
    with jobs.job(snakemake):
        collect_speed(
            profiles=dict(zip(snakemake.params.models, snakemake.input.profiles)),
            runtime=snakemake.input.runtime,
            table=snakemake.output.table,
            views=snakemake.params.views,
            members=snakemake.params.members,
        )
