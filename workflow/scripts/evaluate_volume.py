"""Metrics of a volume's prediction and objects, added up block by block."""

import numpy as np
import zarr
from unetflow import IGNORE, files, jobs
from unetflow.blocks import Grid
from unetflow.datasets.classes import class_of_values
from unetflow.images.sources import open_source
from unetflow.metrics.overlap import THRESHOLD
from unetflow.metrics.registry import by_class
from unetflow.metrics.streaming import Counts
from unetflow.objects import neighbourhood
from unetflow.predictions import VolumePrediction, of_class
from unetflow.report.tables import write_metrics
from unetflow.volumes.joining import Components
from unetflow.volumes.parallel import in_parallel
from unetflow.volumes.shards import scratch_shards


def evaluate_volume(truth, prediction, segmentation, table, ids, workers, key):
    """Write ``table``, a row per metric of the whole volume.

    Where the truth names several classes, each has rows of its own, as in `evaluate`.

    truth : what `open_source` takes, with `labels` (instances, binary or classes), `classes`, `ignore`, and
    `dimensions` (2 if objects of different slices are different ones). ids : values of the columns dataset, fold,
    model, seed. key : hash of code and truth. Blocks that an interrupted run counted are kept, as long as all that they
    were counted from is the same.
    """
    probability = VolumePrediction(prediction)
    grid = Grid(probability.shape, probability.block)
    key = files.fingerprint(key, truth, grid.block, files.stamps(prediction), files.stamps(segmentation))
    with jobs.state_folder(table, key) as state:
        values = {}
        for name in truth["classes"] or [None]:  # None: all objects alike
            folder = state / (name or "all")
            folder.mkdir(exist_ok=True)
            compared = true_labels(truth, name, grid, folder, workers), *found_of(name, probability, segmentation)
            values[name] = counted(compared, grid, folder, truth["dimensions"], workers).metrics()
        rows = {}
        for metric in next(iter(values.values())):
            rows |= by_class(metric, {name: of[metric] for name, of in values.items()})
        write_metrics([{**ids, "image": "all", "metric": name, "value": value} for name, value in rows.items()], table)


def found_of(name, probability, segmentation):
    """Functions of (start, stop): objects int[z, y, x] of the class ``name``, or all of them, and where they are by
    their probability, bool[z, y, x]."""
    objects, meta = open_source(str(segmentation)), zarr.open_group(segmentation, mode="r").attrs["unetflow"]
    if name is None:
        return objects.read, lambda *window: probability.foreground(*window) > THRESHOLD
    number = probability.objects.index(name) + 1
    return (
        lambda *window: of_class(objects.read(*window), meta["objects"], number),
        lambda *window: probability.channel(name, *window) > THRESHOLD,
    )


def counted(compared, grid, folder, dimensions, workers):
    """`Counts` of a volume, from one file per block in ``folder``. compared : functions of (start, stop) that return
    true labels, objects, and where objects are probable."""

    def count(number):
        """File of the counts of one block."""
        start, stop = grid[number].start, grid[number].stop

        def write(path):
            counts, arrays = Counts(), [function(start, stop) for function in compared]
            if dimensions == 3:
                counts.add(*arrays)
            else:
                for z, slices in enumerate(zip(*arrays), start[0]):
                    counts.add(*slices, part=z)
            counts.save(path)

        return files.made_once(folder / f"{number}.npz", write)

    total, progress = Counts(), jobs.Progress(len(grid), "block")
    for done, file in enumerate(in_parallel(count, range(len(grid)), workers), 1):
        total.include(file)
        progress(done)
    return total


def true_labels(truth, name, grid, folder, workers):
    """Function of (start, stop): true labels int64[z, y, x] of the class ``name``, or all, `IGNORE` where unknown.

    Objects of a truth that is not of instances are its components, found block by block as those of the prediction are.
    """
    source = open_source(**{key: truth[key] for key in ("path", "array", "axes", "channel", "time")})

    def read(start, stop):
        labels = source.read(start, stop).astype(np.int64)
        known = labels if truth["ignore"] is None else np.where(labels == truth["ignore"], IGNORE, labels)
        return class_of_values(known, {name: truth["classes"][name]}) if name else known

    if truth["labels"] == "instances":
        return read
    store, neighbours = scratch_shards(folder, "truth", grid), neighbourhood(truth["dimensions"], 1)
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
