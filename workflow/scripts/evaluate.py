"""Metrics and calibration of one model on the test slices of a fold."""

import pandas as pd
from unetflow import jobs
from unetflow.datasets.stacks import Volume
from unetflow.metrics.calibration import errors_by_spread, reliability
from unetflow.metrics.registry import METRICS
from unetflow.metrics.slices import truths
from unetflow.predictions import Prediction
from unetflow.report.tables import write_metrics

CALIBRATION = ["dataset", "fold", "model", "seed", "of", "low", "high", "pixels", "mean", "share"]


def evaluate(volume, prediction, segmentation, table, calibration, names, ids):
    """Write ``table``: one row per metric of ``names`` and test slice with truth, and for all of them together ("all").

    calibration : path of another table, a row per bin over all slices: of "probability", with the share of objects; of
    "spread", if it was kept, with the share of wrong pixels. ``ids`` are the values of the columns dataset, fold,
    model, seed. Slices without truth have no rows.
    """
    volume = Volume(volume)
    found = {"probability": Prediction(prediction), "segmentation": Prediction(segmentation)}
    slices = [name for name in found["probability"].names if volume.labels(name) is not None]
    truth = truths(volume, slices)
    results = {
        "probability": {name: found["probability"].probability(name) for name in slices},
        "segmentation": {name: found["segmentation"].labels(name) for name in slices},
    }
    rows, progress = [], jobs.Progress(len(names), "metric")
    for number, name in enumerate(names, 1):
        metric = METRICS[name]
        for image, members in [(one, [one]) for one in slices] + [("all", slices)] * bool(slices):
            first, *others = ([truth[kind][m] for m in members] for kind in metric.truth)
            value = metric.function(first, [results[metric.of][m] for m in members], *others)
            rows.append({**ids, "image": image, "metric": name, "value": value})
        progress(number)
    write_metrics(rows, table)
    bins = calibrated(list(truth["labels"].values()), list(results["probability"].values()), spreads(found, slices))
    pd.DataFrame([{**ids, **row} for row in bins], columns=CALIBRATION).to_csv(calibration, index=False)


def spreads(found, slices):
    """List of the spread of every slice; empty where it was not kept."""
    return [one for one in map(found["probability"].spread, slices) if one is not None]


def calibrated(labels, probabilities, spreads):
    """The rows of the calibration table, of lists of slices."""
    yield from ({"of": "probability"} | row for row in reliability(labels, probabilities).rows())
    if spreads:
        yield from ({"of": "spread"} | row for row in errors_by_spread(labels, probabilities, spreads).rows())


if __name__ == "__main__":
    with jobs.job(snakemake):
        evaluate(
            volume=snakemake.input.volume,
            prediction=snakemake.input.prediction,
            segmentation=snakemake.input.segmentation,
            table=snakemake.output.table,
            calibration=snakemake.output.calibration,
            names=snakemake.params.metrics,
            ids=snakemake.params.ids,
        )
