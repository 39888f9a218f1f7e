"""Tidy tables of metrics, one row per value, and what they say about recipes: means, spreads, paired differences."""

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit  # Student's distribution; scipy.stats takes a second to import

from .. import jobs
from ..experiment.names import recipe_of

COLUMNS = ["dataset", "fold", "model", "seed", "image", "metric", "value"]
LEVEL = 0.95  # of intervals


def write_metrics(rows, table):
    """Write dicts with the keys COLUMNS to the CSV ``table``, and tell those of all images together."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame.to_csv(table, index=False)
    for row in frame[frame["image"] == "all"].itertuples():
        jobs.log.info(f"{row.metric} {row.value:.6g}")


def read_runs(table):
    """The values over all images of every run, from ``table``: a frame of dataset, recipe, fold, seed, metric, value.

    A recipe is a `models` entry, whatever the seed. A run is one fold and seed of it.
    """
    frame = pd.read_csv(table, dtype={"fold": str, "image": str}).query("image == 'all'")
    return frame.assign(recipe=frame["model"].map(recipe_of))[["dataset", "recipe", "fold", "seed", "metric", "value"]]


def paired(reference, other):
    """How ``other`` differs from ``reference``, two Series of values by (fold, seed), over the runs that both have.

    Returns a dict: n; difference, the mean of other - reference; low and high, its 95 % interval after Student; effect,
    the mean over the standard deviation of the differences; p, two-sided, after Student. What n does not allow is NaN.
    Folds share most of their training slices, so that runs are less independent than Student asks for: the interval is
    rather too narrow (Nadeau and Bengio, Machine Learning 52:239, 2003).
    """
    differences = (other - reference).dropna().to_numpy()
    n, mean = len(differences), differences.mean() if len(differences) else np.nan
    sd = differences.std(ddof=1) if n > 1 else np.nan
    error = sd / np.sqrt(n) if n else np.nan
    reach = error * stdtrit(n - 1, (1 + LEVEL) / 2) if n > 1 else np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        effect, p = np.divide(mean, sd), 2 * stdtr(n - 1, -abs(np.divide(mean, error))) if n > 1 else np.nan
    return {"n": n, "difference": mean, "low": mean - reach, "high": mean + reach, "effect": effect, "p": p}


def by_run(runs, dataset, recipe, metric):
    """The values of a recipe on a data set as a Series by (fold, seed)."""
    chosen = runs[(runs["dataset"] == dataset) & (runs["recipe"] == recipe) & (runs["metric"] == metric)]
    return chosen.set_index(["fold", "seed"])["value"]
