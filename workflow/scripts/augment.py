"""One chunk of augmented training samples."""

import hashlib

import numpy as np
import zarr
from unetflow import augment, jobs
from unetflow.datasets.stacks import Volume, read_split, write_chunk
from unetflow.experiment.found import followed
from unetflow.normalisation import normalise, repeated
from unetflow.training.contacts import add_contacts
from unetflow.weights import training_target


def augment_chunk(volume, splits, targets, chunk, fold, numbers, seed, options):
    """Write the samples ``numbers`` (integers, counted from 0 over all chunks) of a fold to ``chunk``.

    Each sample follows from ``seed`` (a text: base seed, data set, fold) and its number alone, whatever chunk it is
    in and whichever job makes it. ``options`` is the `augmentations` entry of the configuration.
    """
    volume, names = Volume(volume), read_split(splits, fold)["train"]
    targets = zarr.open_group(targets, mode="r")
    rngs = {number: np.random.default_rng(seed_of(seed, number)) for number in numbers}
    slices = {number: names[rng.integers(len(names))] for number, rng in rngs.items()}
    made = {}
    for name in set(slices.values()):  # each is read once
        parts = training_slice(volume, targets, name, options["neighbours"])
        for number in (number for number, of in slices.items() if of == name):
            apart = np.random.default_rng(seed_of(seed, f"{number}/contacts"))  # all else is drawn as without
            drawn, sample = make_sample(parts, options, targets.attrs["options"], rngs[number], apart)
            made[number] = sample, {"sample": number, "slice": name} | drawn
    with jobs.made_whole(chunk) as path:
        write_chunk(path, *zip(*(made[number] for number in numbers)))


def training_slice(volume, targets, name, neighbours):
    """Normalised image float32[y, x], or [c, y, x] of several channels or with ``neighbours``, target, weight and
    labels of a slice."""
    height, width = volume.shape(name)
    image, moments = volume.image(name, neighbours), volume.normalisation or volume.moments(name)
    image = normalise(image, repeated(moments, len(image)))
    target, weight = (targets[kind][volume.index[name], :height, :width] for kind in ("target", "weight"))
    return image, target, weight, volume.labels(name)


def make_sample(parts, options, made_as, rng, apart):
    """(drawing, sample) of a `training_slice`. made_as : options of `training_target`. apart : for copied objects."""
    image, target, weight, labels = parts
    drawn = used = augment.draw(rng, options, weight > 0, image.shape[:-2])
    if options["contacts"]:
        used, image, target, weight = with_copies(drawn, options, image, labels, made_as, apart)
    return drawn, augment.sample(used, options, image, target, weight)


def with_copies(drawn, options, image, labels, made_as, rng):
    """A drawing, and image, target and weight for it: the window that the sample sees, with copied objects.

    made_as : options of `training_target`.
    """
    window = augment.window(drawn, options, labels.shape)
    centre = [place - part.start for place, part in zip(drawn["centre"], window)]
    image, labels = add_contacts(image[(..., *window)], labels[window], options["contacts"], rng)
    return drawn | {"centre": centre}, image, *training_target(labels, **made_as)


def seed_of(text, number):
    """An integer seed from a text and a number, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{text}/{number}".encode()).digest()[:8], "little")


if __name__ == "__main__":
    with jobs.job(snakemake):
        augment_chunk(
            volume=snakemake.input.volume,
            splits=snakemake.input.splits,
            targets=snakemake.input.targets,
            chunk=snakemake.output.chunk,
            fold=snakemake.wildcards.fold,
            numbers=range(*snakemake.params.samples),
            seed=snakemake.params.seed,
            options=followed(snakemake.params.augmentation, snakemake.input.recipe, "augmentation"),
        )
