"""Pictures of the report: arrays and tables in, Matplotlib figures out."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from skimage.segmentation import find_boundaries

from ..images.colours import coloured
from ..metrics.errors import splits_and_mergers

plt.rcParams.update({"svg.hashsalt": "unetflow", "font.size": 9, "figure.dpi": 100, "image.interpolation": "nearest"})
CROP = 384  # pixels per side that a panel shows
ACROSS = 7  # panels of metrics beside each other


def save(figure, path):
    """Write an SVG that is the same bytes for the same figure."""
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def panels(count, columns):
    """A figure with ``count`` square panels without axes; returns (figure, list of axes)."""
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.8 * columns, 2.9 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    return figure, list(axes.flat)


def show(axis, image, title, **options):
    """One picture [y, x] or [y, x, rgb], its upper left `CROP` pixels."""
    axis.imshow(image[:CROP, :CROP], **({"cmap": "gray"} | options))
    axis.set_title(title, fontsize=9)


def picture(image):
    """An image [y, x] as it is, or [y, x, rgb] of one with channels [c, y, x]."""
    return image if image.ndim == 2 else coloured(image)


def prediction_figure(slices):
    """Image, probabilities, borders (truth green, found magenta) and, where it was kept, spread of slices: (name,
    image, labels or None, dict class -> probability, segmentation, spread or None), all [y, x], or image [c, y, x]."""
    columns = 2 + len(slices[0][3]) + (slices[0][-1] is not None)
    figure, axes = panels(columns * len(slices), columns)
    free = iter(axes)
    for name, image, labels, probabilities, segmentation, spread in slices:
        show(next(free), picture(image), f"image {name}")
        for kind, probability in probabilities.items():
            show(next(free), probability, f"probability of {kind}", vmin=0, vmax=1, cmap="viridis")
        show(next(free), overlay(image, labels, segmentation), "borders: truth green, found magenta")
        if spread is not None:
            show(next(free), spread, "its spread over views (0 to 0.5)", vmin=0, vmax=0.5, cmap="magma")
    return figure


def overlay(image, labels, segmentation):
    """uint8[y, x, rgb]: the image with the borders of the truth (green) and of what was found (magenta)."""
    rgb = coloured(image).copy()
    if labels is not None:
        rgb[find_boundaries(np.maximum(labels, 0), mode="inner")] = (0, 200, 0)
    rgb[find_boundaries(segmentation, mode="inner")] = (230, 0, 230)
    return rgb


def methods_figure(name, image, labels, methods):
    """The same crop by every method: image and truth, then probability and errors (splits red, mergers blue).

    methods : (title, probability float[y, x], segmentation int[y, x]) of each.
    """
    figure, axes = panels(2 + 2 * len(methods), 4 if len(methods) % 2 else 2)
    show(axes[0], picture(image), f"image {name}")
    show(axes[1], overlay(image, labels, np.zeros_like(labels)), "borders of the truth")
    for number, (title, probability, segmentation) in enumerate(methods, 1):
        show(axes[2 * number], probability, f"{title}: probability of object", vmin=0, vmax=1, cmap="viridis")
        show(axes[2 * number + 1], errors(image, labels, segmentation), f"{title}: splits red, mergers blue")
    return figure


def errors(image, labels, segmentation):
    """uint8[y, x, rgb]: the image with the borders of what was found, what was split off (red) and merged (blue)."""
    rgb = overlay(image, None, segmentation)
    split, merged = splits_and_mergers(labels, segmentation)
    for mask, colour in ((merged, (40, 90, 255)), (split, (230, 30, 30))):
        rgb[mask] = (0.4 * rgb[mask] + 0.6 * np.array(colour)).astype(np.uint8)
    return rgb


def comparison_figure(summary, runs, published):
    """Bars with spread: a panel per metric, a bar per recipe (mean, standard deviation), a dot per fold and seed.

    summary : rows of one data set as `summarise` writes them. runs : its rows of `tables.read_runs`. published : dict
    metric -> the paper's value, drawn as a dashed line.
    """
    recipes, metrics = list(dict.fromkeys(summary["model"])), list(dict.fromkeys(summary["metric"]))
    figure, axes = panels_of_metrics(len(metrics), 0.4 * len(recipes) + 1.2, sharey=True)
    for axis, metric in zip(axes, metrics):
        rows = summary[summary["metric"] == metric].set_index("model").reindex(recipes)
        axis.barh(recipes, rows["mean"], xerr=rows["sd"].fillna(0), color="#9bb8d3", error_kw={"capsize": 3})
        dots = runs[runs["metric"] == metric]
        axis.plot(dots["value"], dots["recipe"].map(recipes.index), "k.", markersize=4)
        if metric in published:
            axis.axvline(published[metric], color="tab:red", linestyle="--", linewidth=1)
            axis.set_title(f"{metric}\npublished: {published[metric]:g}", fontsize=9)
        else:
            axis.set_title(metric, fontsize=9)
        axis.margins(x=0.1)
    axes[0].invert_yaxis()
    return figure


def panels_of_metrics(count, height, sharey=False):
    """(figure, list of axes): ``count`` panels or one of ``height`` inches, up to `ACROSS` beside each other."""
    count = max(1, count)
    across = min(count, ACROSS)
    down = -(-count // across)
    size = (2.6 * across + 1.5, height * down)
    figure, axes = plt.subplots(down, across, figsize=size, squeeze=False, sharey=sharey, layout="constrained")
    for axis in axes.flat[count:]:
        axis.remove()
    return figure, list(axes.flat[:count])


def calibration_figure(bins):
    """Three panels: share of objects by probability, share of pixels by probability, share of errors by spread.

    bins : frame with recipe, of ("probability" or "spread"), pixels, mean, share.
    """
    figure, (reliable, pixels, wrong) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    reliable.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    for recipe, rows in bins.groupby("recipe", sort=False):
        chance, spread = (rows[rows["of"] == kind] for kind in ("probability", "spread"))
        reliable.plot(chance["mean"], chance["share"], ".-", label=recipe)
        pixels.plot(chance["mean"], chance["pixels"] / chance["pixels"].sum(), ".-")
        if len(spread):
            wrong.plot(spread["mean"], spread["share"], ".-")
    reliable.set(xlabel="probability of object", ylabel="share of objects", xlim=(0, 1), ylim=(0, 1))
    reliable.legend(frameon=False)
    pixels.set(xlabel="probability of object", ylabel="share of pixels", xlim=(0, 1), yscale="log")
    wrong.set(xlabel="spread over views", ylabel="share of wrong pixels", xlim=(0, 0.5), ylim=(0, 1))
    return figure


def objects_figure(objects):
    """Histograms of diameter and, by channel, mean grey value; ``objects`` is a frame of `measure_objects`."""
    whole, unit = objects[~objects["at_border"].astype(bool)], "".join(objects["unit"].dropna().unique())
    titles = {"diameter": f"diameter ({unit or 'voxel sizes'})", "mean": "mean grey value"}
    titles |= {name: f"mean of channel {name[5:]}" for name in objects if name.startswith("mean_")}
    titles = {column: title for column, title in titles.items() if column in objects}
    kinds = dict(list(whole.groupby("class", sort=False))) if "class" in objects else {"off the border": whole}
    figure, panels = plt.subplots(1, len(titles), figsize=(4 * len(titles), 3), layout="constrained")
    for axis, (column, title) in zip(panels, titles.items()):
        if len(objects):
            edges = np.histogram_bin_edges(objects[column].dropna(), 30)
            axis.hist(objects[column], edges, color="0.8", label=f"all {len(objects)}")
            labels = [f"{len(rows)} {kind}" for kind, rows in kinds.items()]
            axis.hist([rows[column] for rows in kinds.values()], edges, stacked=True, label=labels)
            axis.legend(frameon=False)
        axis.set(xlabel=title, ylabel="objects")
    return figure


def cost_figure(rows, device):
    """Metrics against training time, by its logarithm where it differs more than tenfold: a panel per metric, a colour
    per recipe.

    rows : frame with recipe, metric, value, minutes. device : "CPU" or "GPU", on which training ran.
    """
    metrics = list(dict.fromkeys(rows["metric"]))
    shortest, longest = rows["minutes"].min(), rows["minutes"].max()
    time_axis = {"xscale": "log"} if longest > 10 * shortest else {"xlim": (0, 1.05 * longest)}
    figure, axes = panels_of_metrics(len(metrics), height=3)
    for axis, metric in zip(axes, metrics):
        for recipe, dots in rows[rows["metric"] == metric].groupby("recipe", sort=False):
            axis.plot(dots["minutes"], dots["value"], "o", markersize=4, alpha=0.8, label=recipe)
        axis.set(title=metric, xlabel=f"minutes of training, {device}", **time_axis)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=7)
    return figure


def differences_figure(summary, reference, directions):
    """What each recipe gains over ``reference``: a panel per metric, mean paired difference and its 95 % interval.

    summary : as for `comparison_figure`. directions : dict metric -> its perfect value; better is always to the right.
    """
    rows = summary[summary["n"].notna()]
    recipes, metrics = list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rows["metric"]))
    figure, axes = panels_of_metrics(len(metrics), 0.4 * len(recipes) + 1.2, sharey=True)
    for axis, metric in zip(axes, metrics):
        one = rows[rows["metric"] == metric].set_index("model").reindex(recipes)
        reach = (one["high"] - one["difference"]).fillna(0)
        axis.errorbar(one["difference"], recipes, xerr=reach, fmt="o", color="#1f4e79", capsize=3)
        axis.axvline(0, color="0.5", linewidth=1)
        if directions.get(metric, 1) == 0:
            axis.invert_xaxis()
        axis.set_title(f"{metric}\nbetter \u2192", fontsize=9)
        axis.tick_params(axis="x", labelrotation=30)
    axes[0].set_title(axes[0].get_title() or f"nothing to compare with {reference}", fontsize=9)
    if recipes:
        axes[0].invert_yaxis()
    return figure


def weights_figure(slices):
    """Image, target and weight of slices: (name, image, target, weight), each [y, x], or image [c, y, x]."""
    figure, axes = panels(3 * len(slices), 3)
    for row, (name, image, target, weight) in enumerate(slices):
        show(axes[3 * row], picture(image), f"image {name}")
        show(axes[3 * row + 1], target, "target")
        axis = axes[3 * row + 2]
        show(axis, weight, "weight in the loss", cmap="inferno", vmin=0)
        figure.colorbar(axis.images[0], ax=axis, shrink=0.8)
    return figure


def chunks_figure(samples):
    """Augmented samples: (image, target, weight), each [y, x], or image [c, y, x]."""
    figure, axes = panels(3 * len(samples), 6)
    for number, (image, target, weight) in enumerate(samples):
        image_axis, target_axis, weight_axis = axes[3 * number : 3 * number + 3]
        show(image_axis, picture(image), f"sample {number}")
        show(target_axis, target, "target")
        show(weight_axis, weight, "weight", cmap="inferno", vmin=0)
    return figure


def learning_figure(history):
    """Loss and, if there are any, validation curves over the steps; ``history`` as `train` writes it."""
    has_validation = "validation_loss" in history
    figure, axes = plt.subplots(1, 2 if has_validation else 1, figsize=(8, 3), squeeze=False, layout="constrained")
    axes[0, 0].plot(history["step"], history["loss"], color="black", label="training samples")
    if has_validation:
        axes[0, 0].plot(history["step"], history["validation_loss"], color="tab:orange", label="validation slices")
        axes[0, 1].plot(history["step"], history["validation_iou"], color="tab:orange")
        axes[0, 1].set(xlabel="step", ylabel="IoU on validation slices", ylim=(0, 1))
    axes[0, 0].set(xlabel="step", ylabel="weighted cross-entropy", yscale="log")
    axes[0, 0].legend(frameon=False)
    return figure
