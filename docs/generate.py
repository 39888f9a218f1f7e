"""Writes the pages that are made from something else (`make docs`); tests fail where one has fallen behind.

docs/configuration.md from the schema, docs/errors.md from the catalogue of bad inputs, which is run, the pictures of
docs/explanation.md by the library itself.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

ROOT = Path(__file__).parents[1]
PAGE, ERRORS = ROOT / "docs/configuration.md", ROOT / "docs/errors.md"
HEAD = """# Configuration

Made from `workflow/schemas/config.schema.yaml` by `make docs`; edit the descriptions there.

{description}

A key without a default must be given. Unknown keys and values are refused before anything runs.
"""

ERRORS_HEAD = """# What can be wrong, and what is said

Made by `make docs` from `tests/unit/bad_inputs.py`: each of these {count} cases is laid out and run by the tests, ends
with this sentence and an exit code other than 0, and leaves nothing behind that could be taken for a result.
"""


def page(schema):
    """The whole page as Markdown."""
    sections = [section(name, part) for name, part in schema["properties"].items()]
    return "\n".join([HEAD.format(description=schema["description"].strip()), *sections])


def section(name, schema):
    lines = [f"## `{name}`", "", sentence(schema), ""]
    entry = schema.get("additionalProperties") or schema.get("items") or schema
    if isinstance(entry, dict) and (entry.get("properties") or "items" in entry):
        lines += table(entry)
    return "\n".join(lines)


def table(schema):
    lines = ["| key | values | default | meaning |", "| --- | --- | --- | --- |"]
    lines += list(rows("", schema)) or [f"| (list) | {values(schema)} | | {sentence(schema)} |"]
    return [*lines, ""]


def rows(prefix, schema):
    """Table rows of a map and of the maps in it."""
    for name, part in schema.get("properties", {}).items():
        required = name in schema.get("required", [])
        default = "" if required or "default" not in part else f"`{plain(part['default'])}`"
        yield f"| `{prefix}{name}` | {values(part)} | {default} | {sentence(part)} |"
        for form in [part, *part.get("oneOf", [])]:
            yield from rows(f"{prefix}{name}.", form)


def values(schema):
    """What a key may hold, in few words."""
    if "const" in schema:
        return f"`{plain(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{plain(value)}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(values(part) for part in schema["anyOf"])
    kind = schema.get("type", "map")
    if isinstance(kind, list):
        return " or ".join(values(schema | {"type": one}) for one in kind)
    kind = {"object": "map", "array": "list"}.get(kind, kind)
    if kind == "list" and "items" in schema:
        return f"list of: {values(schema['items'])}"
    if kind not in ("integer", "number"):
        return kind
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {schema[key]}" for key, sign in bounds.items() if key in schema)
    return f"{kind} {limits}".strip()


def sentence(schema):
    return schema.get("description", "").strip().replace("|", "\\|")


def plain(value):
    """A value as YAML would have it, on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def errors():
    """The catalogue of bad inputs as Markdown; every case is run."""
    sys.path[:0] = [str(ROOT / "tests/unit"), str(ROOT / "workflow/scripts")]
    from bad_inputs import CASES, outcome

    lines = [ERRORS_HEAD.format(count=sum(map(len, CASES.values())))]
    for area, cases in CASES.items():
        lines += [f"## {area}", "", "| what is wrong | what is said |", "| --- | --- |"]
        for title in cases:
            with TemporaryDirectory() as folder:
                said = " ".join(outcome(area, title, Path(folder))[1]).replace("|", "\\|")
            lines.append(f"| {title} | {said} |")
        lines.append("")
    return "\n".join(lines)


def draw_tile(path):
    """An image, one of its tiles, and the mirrored window that it is predicted from."""
    from matplotlib.patches import Rectangle
    from unetflow.datasets.synthetic import em_stack
    from unetflow.geometry import unet
    from unetflow.report import figures
    from unetflow.tiles import read_window

    context, side, tile = unet(4).context, 320, 128
    image = em_stack(slices=1, size=side, cells=50, seed=3)[0][0]
    mirrored = read_window(image, (-context, -context), (side + 2 * context,) * 2)
    figure, (axis,) = figures.panels(1, 1)
    figure.set_size_inches(5.5, 5.5)
    axis.imshow(mirrored, cmap="gray", extent=(-context, side + context, side + context, -context))
    for start, size, colour, what in (
        (0, side, "white", "image"),
        (0, tile, "tab:orange", f"tile: {tile} pixels"),
        (-context, tile + 2 * context, "tab:blue", f"its window: {context} pixels more on every side"),
    ):
        axis.add_patch(Rectangle((start, start), size, size, fill=False, edgecolor=colour, linewidth=2.5, label=what))
    axis.legend(loc="lower right", fontsize=8)
    figures.save(figure, path)


def draw_weights(path):
    """Touching cells, the target after parting them, and the weights of equation 2."""
    from unetflow.datasets.synthetic import cell_images
    from unetflow.report import figures
    from unetflow.weights import separate_touching, weight_map

    images, labels = cell_images(slices=1, size=200, cells=26, seed=4)
    parted = separate_touching(labels[0])
    figures.save(figures.weights_figure([("", images[0], parted > 0, weight_map(parted))]), path)


def draw_contacts(path):
    """A training slice, and three copies of its cells set beside others."""
    import numpy as np
    from unetflow.datasets.synthetic import cell_images
    from unetflow.report import figures
    from unetflow.training.contacts import add_contacts

    images, labels = cell_images(slices=1, size=240, cells=9, seed=5)
    changed = add_contacts(images[0].astype(float), labels[0], count=3, rng=np.random.default_rng(0))
    figure, axes = figures.panels(2, 2)
    shown = (images[0], labels[0], "slice"), (*changed, "with copies")
    for axis, (image, cells, title) in zip(axes, shown):
        axis.imshow(image, cmap="gray")
        axis.contour(cells > 0, [0.5], colors="tab:orange", linewidths=0.8)
        axis.set(title=title)
    figures.save(figure, path)


if __name__ == "__main__":
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    PAGE.write_text(page(schema))
    ERRORS.write_text(errors())
    (ROOT / "docs/images").mkdir(exist_ok=True)
    draw_tile(ROOT / "docs/images/overlap_tile.svg")
    draw_weights(ROOT / "docs/images/weight_map.svg")
    draw_contacts(ROOT / "docs/images/contacts.svg")
