"""Metrics of a volume's prediction and objects, added up block by block."""

import numpy as np
from unetflow import IGNORE, files, jobs
from unetflow.blocks import Grid
from unetflow.datasets.checks import objects_of
from unetflow.images.sources import open_source
from unetflow.metrics.streaming import Counts
from unetflow.predictions import VolumePrediction
from unetflow.report.tables import write_metrics
from unetflow.volumes.joining import Components, neighbourhood
from unetflow.volumes.parallel import in_parallel
from unetflow.volumes.shards import scratch_shards


def evaluate_volume(truth, prediction, segmentation, table, ids, workers, key):
    """Write ``table``, a row per metric of the whole volume.

    truth : what `open_source` takes, with `labels` (instances or binary), `values`, `ignore`, and `dimensions` (2 if
    objects of different slices are different ones). ids : values of the columns dataset, fold, model, seed. key : hash
    of code and truth. Blocks that an interrupted run counted are kept, as long as all that they were counted from is
    the same.
    """
    probability, objects = VolumePrediction(prediction), open_source(str(segmentation))
    grid = Grid(probability.shape, probability.block)
    key = files.fingerprint(key, truth, grid.block, files.stamps(prediction), files.stamps(segmentation))
    with jobs.state_folder(table, key) as state:
        labels = true_labels(truth, grid, state, workers)

        def counted(number):
            """File of the counts of one block."""
            start, stop = grid[number].start, grid[number].stop

            def write(path):
                counts = Counts()
                arrays = labels(start, stop), objects.read(start, stop), probability.foreground(start, stop) > 0.5
                if truth["dimensions"] == 3:
                    counts.add(*arrays)
                else:
                    for z, slices in enumerate(zip(*arrays), start[0]):
                        counts.add(*slices, part=z)
                counts.save(path)

            return files.made_once(state / f"{number}.npz", write)

        total, progress = Counts(), jobs.Progress(len(grid), "block")
        for done, file in enumerate(in_parallel(counted, range(len(grid)), workers), 1):
            total.include(file)
            progress(done)
        rows = [{**ids, "image": "all", "metric": name, "value": value} for name, value in total.metrics().items()]
        write_metrics(rows, table)


def true_labels(truth, grid, state, workers):
    """Function of (start, stop): true labels int64[z, y, x], `IGNORE` where unknown.

    Objects of a binary truth are its components, found block by block as those of the prediction are.
    """
    source = open_source(**{key: truth[key] for key in ("path", "array", "axes", "channel", "time")})

    def read(start, stop):
        labels = source.read(start, stop).astype(np.int64)
        known = labels if truth["ignore"] is None else np.where(labels == truth["ignore"], IGNORE, labels)
        return objects_of(known, truth["values"])

    if truth["labels"] == "instances":
        return read
    store, neighbours = scratch_shards(state, "truth", grid), neighbourhood(truth["dimensions"], 1)
    found = Components(lambda b: read(b.start, b.stop) > 0, store, grid, neighbours, workers)
    return lambda *window: np.where(read(*window) == IGNORE, IGNORE, found.read(*window))


if __name__ == "__main__":
    with jobs.job(snakemake):
        evaluate_volume(
            truth=snakemake.params.truth | snakemake.params.labels | {"dimensions": snakemake.params.dimensions},
            prediction=snakemake.input.prediction,
            segmentation=snakemake.input.segmentation,
            table=snakemake.output.table,
            ids=snakemake.params.ids,
            workers=snakemake.threads,
            key=[snakemake.params.code, snakemake.params.content, *map(files.stamps, snakemake.input.truth)],
        )
