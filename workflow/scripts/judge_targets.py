"""Published figures and claims, each with what our runs say of it."""

from itertools import product

import pandas as pd
from unetflow import jobs
from unetflow.metrics.registry import METRICS, OF_OBJECTS
from unetflow.report.tables import by_run, paired, read_runs

COLUMNS = ["target", "published", "protocol", "ours_mean", "ours_sd", "n", "verdict"]


def judge_targets(metrics, reported, table, reference, tables, claims):
    """Write ``table``: a row per figure of ``reported`` that ``reference`` was measured against, and per claim.

    tables : dict number of the paper's table -> data sets of ours beside it. claims : dicts with the keys claim,
    better, worse (recipes) and metrics. A figure is "reached" or "missed" by the mean, whatever the protocols. A claim
    "holds" if the 95 % interval of the paired difference lies on its side of zero, "fails" if it lies on the other, and
    is "open" otherwise.
    """
    runs = read_runs(metrics)
    rows = [*figures(runs, pd.read_csv(reported), reference, tables)]
    rows += [row for claim in claims for row in judged(runs, **claim)]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(table, index=False)


def figures(runs, reported, reference, tables):
    """Rows on published figures: one of table 1 names its metric, one of table 2 its data set, whose metric is SEG.

    Those of table 1 are judged by our probabilities, and by our objects where they were measured so.
    """
    for figure in reported.itertuples():
        datasets, metrics = [figure.metric], ["seg"]
        if figure.table == 1:
            datasets, metrics = tables["1"], [figure.metric, figure.metric + OF_OBJECTS]
        for dataset, metric in product(sorted(set(datasets) & set(tables[str(figure.table)])), metrics):
            values = by_run(runs, dataset, reference, metric)
            if len(values):
                mean, best = values.mean(), METRICS[metric].best
                reached = mean >= figure.value if best else mean <= figure.value
                yield {
                    "target": f"{figure.name}: {metric} on {dataset}",
                    "published": figure.value,
                    "protocol": f"published: {figure.protocol}; ours: {reference} on folds",
                    "ours_mean": mean,
                    "ours_sd": values.std(),
                    "n": len(values),
                    "verdict": ("reached" if reached else "missed") + ", under another protocol",
                }


def judged(runs, claim, better, worse, metrics):
    """Rows on one claim, for every data set on which both recipes were run and every metric of it."""
    for dataset in runs["dataset"].unique():
        for metric in metrics:
            one, other = (by_run(runs, dataset, recipe, metric) for recipe in (worse, better))
            found = paired(one, other)
            if found["n"]:
                gain = 1 if METRICS[metric].best else -1
                low, high = sorted((gain * found["low"], gain * found["high"]))
                yield {
                    "target": f"{claim}: {metric} on {dataset}",
                    "published": f"{better} better than {worse}",
                    "protocol": f"{better} less {worse} on the same folds and seeds; {in_words(found)}",
                    "ours_mean": found["difference"],
                    "ours_sd": (other - one).std(),
                    "n": found["n"],
                    "verdict": "holds" if low > 0 else "fails" if high < 0 else "open",
                }


def in_words(found):
    """What `paired` found."""
    if found["n"] < 2:
        return "no interval from a single one"
    interval = f"95 % interval {found['low']:.3g} to {found['high']:.3g}"
    return f"{interval}, effect {found['effect']:.2g}, p = {found['p']:.2g}"


if __name__ == "__main__":
    with jobs.job(snakemake):
        judge_targets(
            metrics=snakemake.input.metrics,
            reported=snakemake.input.reported,
            table=snakemake.output.table,
            reference=snakemake.params.reference,
            tables=snakemake.params.tables,
            claims=snakemake.params.claims,
        )
