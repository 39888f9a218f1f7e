"""The methods paragraph of a paper, from what was run."""

import json
from html import escape
from pathlib import Path

from unetflow import files, jobs
from unetflow.datasets.stacks import Volume
from unetflow.experiment.found import followed
from unetflow.experiment.names import recipe_of
from unetflow.experiment.recipes import completed_recipe, is_auto
from unetflow.models import blueprint
from unetflow.report import methods
from unetflow.report.pages import page

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
        paragraphs.append(methods.objects(config["segmentation"][entry["segmentation"]]))
    for (name, *of), of_recipe in by_recipe(runs, config).items():
        descriptions = [json.loads(Path(run[4]).read_text()) for run in of_recipe]
        networks.append(of_member(descriptions[0])["architecture"]["name"])
        fold = descriptions[0].get("folds", [descriptions[0]["fold"]])[0]
        found = [Path(of_recipe[0][4]).parents[2] / str(fold) / "auto.yaml"] if of else []
        paragraphs.append(" ".join([f"{' for '.join([name, *of])}:", *sentences(name, descriptions, config, found)]))
    used = ", ".join(f"{name} {number}" for name, number in methods.versions(SOFTWARE).items())
    paragraphs.append(f"All steps were run by unetflow, a Snakemake workflow ({used}).")
    references = methods.cited(networks)
    files.write_atomically(text, "\n\n".join([*paragraphs, *(f"- {one}" for one in references)]) + "\n")
    body = "".join(f"<p>{escape(one)}</p>" for one in paragraphs)
    body += f"<h2>References</h2><ol>{''.join(f'<li>{escape(one)}</li>' for one in references)}</ol>"
    files.write_atomically(html, page("Methods", body, width="46em"))


def by_recipe(runs, config):
    """dict (name,) or, of automatic recipes, (name, data set) -> rows of its runs."""
    groups = {}
    for run in runs:
        name = recipe_of(run[2])
        automatic = is_auto(completed_recipe(config["models"], name))
        groups.setdefault((name, run[0]) if automatic else (name,), []).append(run)
    return groups


def of_member(description):
    """The description of a model, or of one of the networks of an ensemble."""
    return description | {"architecture": description["architecture"].get("of", description["architecture"])}


def sentences(name, descriptions, config, found):
    """Sentences on a recipe and its trainings. found : path of what `training: auto` found, in a list, or none."""
    recipe, member = completed_recipe(config["models"], name), of_member(descriptions[0])
    seeds = sorted({seed for one in descriptions for seed in one.get("seeds", [one["seed"]])})
    augmentation = config["augmentations"][recipe["augmentation"]]
    weights = followed(config["weights"][augmentation["weights"]], found, "weights")
    yield methods.samples(followed(augmentation, found, "augmentation"), weights)
    parameters = sum(weights.numel() for weights in blueprint(**member["architecture"]).parameters())
    yield methods.training(member, parameters, seeds)
    if recipe["ensemble"]:
        yield methods.averaged(recipe["ensemble"])
    yield methods.prediction(config["prediction"][recipe["prediction"]])


if __name__ == "__main__":
    with jobs.job(snakemake):
        write_methods(
            runs=snakemake.params.runs,
            config=snakemake.config,
            text=snakemake.output.text,
            html=snakemake.output.page,
        )
