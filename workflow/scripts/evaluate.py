"""Metrics of one model on the test slices of a fold."""

from unetflow import jobs
from unetflow.metrics.registry import METRICS
from unetflow.stacks import Prediction, Volume
from unetflow.tables import write_metrics


def evaluate(volume, prediction, segmentation, table, names, ids):
    """Write ``table``: one row per metric of ``names`` and test slice with truth, and for all of them together ("all").

    ``ids`` are the values of the columns dataset, fold, model, seed. Slices without truth have no rows.
    """
    volume = Volume(volume)
    found = {"probability": Prediction(prediction), "segmentation": Prediction(segmentation)}
    slices = [name for name in found["probability"].names if volume.labels(name) is not None]
    truth = {
        "labels": {name: volume.labels(name) for name in slices},
        "markers": {name: volume.markers(name) for name in slices},
    }
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


if __name__ == "__main__":
    with jobs.job(snakemake):
        evaluate(
            volume=snakemake.input.volume,
            prediction=snakemake.input.prediction,
            segmentation=snakemake.input.segmentation,
            table=snakemake.output.table,
            names=snakemake.params.metrics,
            ids=snakemake.params.ids,
        )
