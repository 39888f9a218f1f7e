"""Training targets of a fold: the class of every pixel and its weight in the loss."""

import numpy as np
from unetflow import BACKGROUND, BORDER, IGNORE, jobs
from unetflow.datasets.stacks import Volume, read_split
from unetflow.experiment.found import followed
from unetflow.images.ngff import create_plain
from unetflow.weights import balanced_class_weights, pixel_classes, separate_touching, training_target


def weight_maps(volume, splits, targets, fold, weights):
    """Write ``targets``: target uint8[z, y, x] (classes) and weight float32[z, y, x], 0 where nothing is known.

    Covers the training and validation slices of the fold, in the volume's order; the others stay 0. Touching objects
    are parted by a gap first. ``weights`` is the entry of the configuration; with the class weights of the training
    slices it is kept in the attribute "options", so that other images can be given the same kind of target.
    """
    volume, split, border = Volume(volume), read_split(splits, fold), weights["border_class"]
    parted = {
        name: separate_touching(volume.labels(name), weights["gap"], volume.classes(name))
        for name in split["train"] + split["validation"]
    }
    names = [BACKGROUND, *volume.objects, *[BORDER] * bool(border)]
    known = (
        pixel_classes(parted[name], border, volume.classes(name))[parted[name] != IGNORE] for name in split["train"]
    )
    class_weights = balanced_class_weights(known, len(names))
    if weights["class_balance"] and weights["form"] in ("2015", "classes"):
        told = (f"{name} {weight:.3f}" for name, weight in zip(names, class_weights))
        jobs.log.info(f"class weights: {', '.join(told)}")
    shape = volume.group["0"].shape[-3:]
    with jobs.made_whole(targets) as path:
        group = create_plain(path, target=(shape, np.uint8), weight=(shape, np.float32))
        group.attrs["options"] = options = weights | {"class_weights": class_weights}
        for name, labels in parted.items():
            z, (height, width) = volume.index[name], labels.shape
            target, weight = training_target(labels, classes=volume.classes(name), **options | {"gap": 0})
            group["target"][z, :height, :width], group["weight"][z, :height, :width] = target, weight


if __name__ == "__main__":
    with jobs.job(snakemake):
        weight_maps(
            volume=snakemake.input.volume,
            splits=snakemake.input.splits,
            targets=snakemake.output.targets,
            fold=snakemake.wildcards.fold,
            weights=followed(snakemake.params.weights, snakemake.input.recipe, "weights"),
        )
