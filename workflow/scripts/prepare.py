"""Read a data set, check it, and write it as one OME-Zarr volume with normalisation constants and splits."""

import json

import numpy as np
import pandas as pd
import zarr
from unetflow import files, jobs
from unetflow.datasets.checks import check_slices
from unetflow.datasets.readers import READERS
from unetflow.datasets.spacing import other_voxels, spacing
from unetflow.datasets.splits import make_splits
from unetflow.datasets.stacks import Volume, write_volume
from unetflow.experiment.classes import objects_of
from unetflow.normalisation import in_digits


def prepare(folder, volume, splits, checks, dataset):
    """Prepare one data set.

    folder : where its files lie; None for generated data.
    volume, splits, checks : paths to write: OME-Zarr, JSON, CSV.
    dataset : its entry in the configuration.
    """
    named = {"classes": dataset["classes"]} if dataset["format"] == "folder" else {}  # of outlines
    slices = READERS[dataset["format"]](folder, **dataset["options"], **named)
    rows = check_slices(slices, dataset["labels"], dataset["ignore"], dataset["classes"])
    voxel_size, unit = spacing(slices, dataset["voxel_size"], dataset["unit"])
    in_file = slices[0].voxel_size, slices[0].unit
    with jobs.made_whole(volume) as path:
        write_volume(path, slices, voxel_size, unit, dataset["normalisation"], objects_of(dataset))
        rows.append(("normalisation", in_words(Volume(path))))
        rows.append(("voxel size (z, y, x)", f"{list(voxel_size)} {unit or '(no unit)'}"))
        rows += [("suspicious", text) for text in other_voxels(in_file, voxel_size, unit)]
        made = make_splits(Volume(path).meta["slices"], **dataset["split"])
        note_folds(path, made)
    files.write_atomically(splits, json.dumps(made, indent=1) + "\n")
    pd.DataFrame(rows, columns=["check", "finding"]).to_csv(checks, index=False)
    for check, finding in rows:
        jobs.log.info(f"{check}: {finding}")


def in_words(volume):
    """What grey values are normalised by."""
    if volume.normalisation:
        return "less {}, divided by {} (mean and sd of all slices)".format(*map(in_digits, volume.normalisation))
    means, spreads = (np.ravel(each) for each in zip(*(volume.moments(name) for name in volume.names)))
    return (
        f"each file or sequence less its own mean ({min(means):.4g} to {max(means):.4g}) and divided by its own sd "
        f"({min(spreads):.4g} to {max(spreads):.4g})"
    )


def note_folds(volume, splits):
    """Note with each slice of the volume which fold tests on it (None: no numbered one)."""
    group = zarr.open_group(volume, mode="a")
    meta = dict(group.attrs["unetflow"])
    tested = {name: int(fold) for fold, split in splits.items() if fold != "all" for name in split["test"]}
    meta["slices"] = [{**entry, "fold": tested.get(entry["name"])} for entry in meta["slices"]]
    group.attrs["unetflow"] = meta


if __name__ == "__main__":
    with jobs.job(snakemake):
        prepare(
            folder=snakemake.params.folder,
            volume=snakemake.output.volume,
            splits=snakemake.output.splits,
            checks=snakemake.output.checks,
            dataset=snakemake.params.dataset,
        )
