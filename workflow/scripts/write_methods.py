"""The methods paragraph of a paper, from what was run."""

import json
from html import escape
from pathlib import Path

from unetflow import files, jobs, methods
from unetflow.models import build
from unetflow.pages import page
from unetflow.stacks import Volume

SOFTWARE = ("torch", "numpy", "scipy", "scikit-image", "zarr", "snakemake")


def write_methods(runs, config, text, html):
    """Write ``text`` (Markdown) and ``html`` (a page of the report).

    runs : rows (data set, fold, model, path of the volume, path of the model's JSON). config : the whole configuration.
    """
    paragraphs, networks, told = [], [], set()
    for dataset in dict.fromkeys(run[0] for run in runs):
        of_set = [run for run in runs if run[0] == dataset]
        entry = config["datasets"][dataset]
        folds = list(dict.fromkeys(run[1] for run in of_set))
        paragraphs.append(methods.data(dataset, Volume(of_set[0][3]).meta, entry["split"], folds))
        paragraphs.append(methods.objects(config["segmentation"][entry["segmentation"]], "the validation slices"))
    for _, _, model, _, path in runs:
        recipe = config["models"][model.split("-seed")[0]]
        if model in told:
            continue
        told.add(model)
        description = json.loads(Path(path).read_text())
        network = build(**description["architecture"])
        networks.append(description["architecture"]["name"])
        augmentation = config["augmentations"][recipe["augmentation"]]
        sentences = [
            f"{model}:",
            methods.samples(augmentation, config["weights"][augmentation["weights"]]),
            methods.training(description, sum(weights.numel() for weights in network.parameters())),
            methods.prediction(config["prediction"][recipe["prediction"]]),
        ]
        paragraphs.append(" ".join(sentences))
    used = ", ".join(f"{name} {number}" for name, number in methods.versions(SOFTWARE).items())
    paragraphs.append(f"All steps were run by unetflow, a Snakemake workflow ({used}).")
    references = methods.cited(networks)
    files.write_atomically(text, "\n\n".join([*paragraphs, *(f"- {one}" for one in references)]) + "\n")
    body = "".join(f"<p>{escape(one)}</p>" for one in paragraphs)
    body += f"<h2>References</h2><ol>{''.join(f'<li>{escape(one)}</li>' for one in references)}</ol>"
    files.write_atomically(html, page("Methods", body, width="46em"))


if __name__ == "__main__":
    with jobs.job(snakemake):
        write_methods(
            runs=snakemake.params.runs,
            config=snakemake.config,
            text=snakemake.output.text,
            html=snakemake.output.page,
        )
