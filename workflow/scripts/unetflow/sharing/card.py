"""The card of a model: what it is for, what it learned from, how well it does, and what it was not made for."""

import yaml

from ..normalisation import in_digits

CARD = """# {name}

{what}, trained by unetflow, a Snakemake pipeline around the U-Net.

- **Input** `raw`: {inputs} of grey values{normalised},
  `float32[1, {in_channels}, y, x]`. Pixels of {pixel}.
  Valid sizes: {least} pixels and every {stride} more.
- **Output** `probability`: of {channels}, `float32[1, {classes}, y - {lost}, x - {lost}]`. Unpadded convolutions
  take {context} pixels per side: mirror the image at its border by as much, and move tiles by multiples of {stride}
  pixels, or they will show.

## Training data

{data}

## Validation

{validation}

## Limits

{limits}Made for images like those above: same tissue, same preparation, pixels of about {pixel}.{expected}

## Licence and authors

{license}. {authors}.

## How it was made

```yaml
{recipe}```
"""
GIVEN = " as the microscope gives them; normalising is part of the network"
NORMALISED = ", less the mean of the image and divided by its standard deviation (which packages ask for by themselves)"
EXPECTED = """ Grey values of another
range (training: mean {}, standard deviation {}) must be brought to it first."""


def card(name, network, voxel, data, metrics, about):
    """Markdown text of the model card.

    network : with what `modelfile.load` adds. voxel : ((y, x) size of a pixel, unit or None). data : sentence about
    what it was trained on. metrics : dict metric -> value on slices that it never saw, empty if it was not tested.
    about : the `export` entry of the configuration.
    """
    (y, x), unit = voxel
    description, geometry, normalisation = network.description, network.geometry, network.normalisation
    recipe = {key: description[key] for key in ("architecture", "training", "seed", "device") if key in description}
    return CARD.format(
        name=name,
        channels=", ".join(network.channels),
        classes=network.classes,
        in_channels=network.in_channels,
        inputs=inputs(network),
        what=f"A network of the kind `{description['architecture']['name']}` for two-dimensional images",
        pixel=f"{y:g} x {x:g} {unit or 'pixels'}",
        least=geometry.valid_size(1),
        stride=geometry.stride,
        context=geometry.context,
        lost=2 * geometry.context,
        data=data,
        validation=validation(metrics),
        limits=f"{about['limits']}\n\n" if about["limits"] else "",
        normalised=GIVEN if normalisation else NORMALISED + ", each channel by itself" * (network.in_channels > 1),
        expected="" if normalisation is None else EXPECTED.format(*map(in_digits, normalisation)),
        license=about["license"],
        authors=", ".join(author["name"] for author in about["authors"]),
        recipe=yaml.safe_dump(recipe, sort_keys=False),
    )


def inputs(network):
    """What the channels of the input are, in words."""
    beside, channels = network.neighbours, network.channels_per_slice
    each = "one channel" if channels == 1 else f"{channels} channels"
    return f"{each} of each of {2 * beside + 1} slices, of which the middle one is predicted," if beside else each


def validation(metrics):
    """The metrics as a Markdown table."""
    if not metrics:
        return "Trained on every annotated slice, so that none was left for a test. Test it on images of your own."
    rows = [f"| {metric} | {value:.4g} |" for metric, value in metrics.items()]
    return "\n".join(["On slices that were never used in training:", "", "| metric | value |", "| --- | --- |", *rows])
