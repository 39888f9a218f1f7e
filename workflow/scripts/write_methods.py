"""The methods paragraph of a paper, from what was run."""

import json
from html import escape
from pathlib import Path

from unetflow import files, jobs, methods
from unetflow.models import build
from unetflow.names import recipe_of
from unetflow.pages import page
from unetflow.stacks import Volume

SOFTWARE = ("torch", "numpy", "scipy", "scikit-image", "zarr", "snakemake")


def write_methods(runs, config, text, html):
    """Write ``text`` (Markdown) and ``html`` (a page of the report).

    runs : rows (data set, fold, model, path of the volume, path of the model's JSON). config : the whole configuration.
    """
    paragraphs, networks = [], []
    for dataset in dict.fromkeys(run[0] for run in runs):
        of_set = [run for run in runs if run[0] == dataset]
        entry = config["datasets"][dataset]
        folds = list(dict.fromkeys(run[1] for run in of_set))
        paragraphs.append(methods.data(dataset, Volume(of_set[0][3]).meta, entry["split"], folds))
        paragraphs.append(methods.objects(config["segmentation"][entry["segmentation"]], "the validation slices"))
    for name in dict.fromkeys(recipe_of(run[2]) for run in runs):
        descriptions = [json.loads(Path(run[4]).read_text()) for run in runs if recipe_of(run[2]) == name]
        seeds = sorted({one["seed"] for one in descriptions})
        networks.append(descriptions[0]["architecture"]["name"])
        recipe, network = config["models"][name], build(**descriptions[0]["architecture"])
        augmentation = config["augmentations"][recipe["augmentation"]]
        sentences = [
            f"{name}:",
            methods.samples(augmentation, config["weights"][augmentation["weights"]]),
            methods.training(descriptions[0], sum(weights.numel() for weights in network.parameters()), seeds),
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
