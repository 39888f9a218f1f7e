"""The card of a model: what it is for, what it learned from, how well it does, and what it was not made for."""

import yaml

from . import CLASSES

CARD = """# {name}

{what}, trained by unetflow, a Snakemake pipeline around the U-Net.

- **Input** `raw`: one channel of grey values as the microscope gives them, `float32[1, 1, y, x]`; normalising is part
  of the network. Pixels of {pixel}. Valid sizes: {least} pixels and every {stride} more.
- **Output** `probability`: of {channels}, `float32[1, {classes}, y - {lost}, x - {lost}]`. Unpadded convolutions
  take {context} pixels per side: mirror the image at its border by as much, and move tiles by multiples of {stride}
  pixels, or they will show.

## Training data

{data}

## Validation

{validation}

## Limits

{limits}Made for images like those above: same tissue, same preparation, pixels of about {pixel}. Grey values of another
range (training: mean {mean:.4g}, standard deviation {sd:.4g}) must be brought to it first.

## Licence and authors

{license}. {authors}.

## How it was made

```yaml
{recipe}```
"""


def card(name, description, geometry, voxel, data, metrics, about):
    """Markdown text of the model card.

    description : the JSON beside the weights. geometry : of the network. voxel : ((y, x) size of a pixel, unit or
    None). data : sentence about what it was trained on. metrics : dict metric -> value on slices that it never saw,
    empty if it was not tested. about : the `export` entry of the configuration.
    """
    (y, x), unit = voxel
    classes = description["architecture"].get("classes", 2)
    recipe = {key: description[key] for key in ("architecture", "training", "seed", "device") if key in description}
    return CARD.format(
        name=name,
        channels=", ".join(CLASSES[:classes]),
        classes=classes,
        what=f"A network of the kind `{description['architecture']['name']}` for two-dimensional images",
        pixel=f"{y:g} x {x:g} {unit or 'pixels'}",
        least=geometry.valid_size(1),
        stride=geometry.stride,
        context=geometry.context,
        lost=2 * geometry.context,
        data=data,
        validation=validation(metrics),
        limits=f"{about['limits']}\n\n" if about["limits"] else "",
        mean=description["normalisation"]["mean"],
        sd=description["normalisation"]["sd"],
        license=about["license"],
        authors=", ".join(author["name"] for author in about["authors"]),
        recipe=yaml.safe_dump(recipe, sort_keys=False),
    )


def validation(metrics):
    """The metrics as a Markdown table."""
    if not metrics:
        return "Trained on every annotated slice, so that none was left for a test. Test it on images of your own."
    rows = [f"| {metric} | {value:.4g} |" for metric, value in metrics.items()]
    return "\n".join(["On slices that were never used in training:", "", "| metric | value |", "| --- | --- |", *rows])
