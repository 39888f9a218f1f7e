import ast
from modulefinder import ModuleFinder
from pathlib import Path
import sys

import yaml

SCRIPTS = Path(workflow.current_basedir) / "../scripts"
REPORTED = workflow.source_path("../../resources/paper/reported.csv")
sys.path.insert(0, str(SCRIPTS))
from unetflow.config import checked
from unetflow.errors import InputError
from unetflow.jobs import fingerprint

with open(Path(workflow.current_basedir) / "../schemas/config.schema.yaml") as file:
    try:
        config.update(checked(config, yaml.safe_load(file)))
    except InputError as error:
        raise WorkflowError(str(error))


wildcard_constraints:
    dataset=r"[A-Za-z0-9_.]+",
    fold=r"\d+|all",
    augmentation=r"[A-Za-z0-9_.]+",
    weights=r"[A-Za-z0-9_.]+",
    chunk=r"\d+",
    model=r"[A-Za-z0-9_.]+(-seed\d+)?",
    table=r"[a-z0-9_]+",


def code(script):
    """Hash of a script and of all it imports from here: an edit reruns its users, a comment or a touch nothing."""
    finder = ModuleFinder(path=[str(SCRIPTS)])
    finder.run_script(str(SCRIPTS / script))
    files = sorted(m.__file__ for m in finder.modules.values() if m.__file__)
    return fingerprint([ast.dump(ast.parse(Path(f).read_text())) for f in files])


def recipe(wildcards):
    """The `models` entry behind {model}, which is its name, with -seedN behind it for seeds other than 0."""
    return config["models"][wildcards.model.split("-seed")[0]]


def seed(wildcards):
    return int((wildcards.model.split("-seed") + ["0"])[1])


def downloaded(wildcards):
    dataset = config["datasets"][wildcards.dataset]
    return dataset["format"] != "generated" and not dataset["path"]


def dataset_folder(wildcards):
    if downloaded(wildcards):
        return f"resources/{wildcards.dataset}"
    return config["datasets"][wildcards.dataset]["path"]


def dataset_content(wildcards):
    """Hash of a local data set, so that its being touched or copied anew reruns nothing and a change does."""
    path = config["datasets"][wildcards.dataset]["path"]
    return fingerprint(Path(path)) if path else None


def dataset_entry(wildcards):
    """What `prepare` needs to know of a data set."""
    keys = ("format", "options", "voxel_size", "unit", "labels", "ignore", "split")
    return {key: config["datasets"][wildcards.dataset][key] for key in keys}


def targets_of_augmentation(wildcards):
    weights = config["augmentations"][wildcards.augmentation]["weights"]
    return f"results/{wildcards.dataset}/{wildcards.fold}/targets/{weights}.zarr"


def targets_of_model(wildcards):
    weights = config["augmentations"][recipe(wildcards)["augmentation"]]["weights"]
    return f"results/{wildcards.dataset}/{wildcards.fold}/targets/{weights}.zarr"


def samples_of_chunk(wildcards):
    """First sample of a chunk, and the one after its last."""
    options = config["augmentations"][wildcards.augmentation]
    first = int(wildcards.chunk) * options["samples_per_chunk"]
    return [first, min(first + options["samples_per_chunk"], options["samples"])]


def sample_seed(wildcards):
    return f"{config['seed']}/{wildcards.dataset}/{wildcards.fold}"


def augmentation_options(wildcards):
    """What shapes a sample; how many there are does not."""
    options = config["augmentations"][wildcards.augmentation]
    return {
        key: value
        for key, value in options.items()
        if key not in ("weights", "samples", "samples_per_chunk")
    }


def chunks_of_model(wildcards):
    name = recipe(wildcards)["augmentation"]
    options = config["augmentations"][name]
    folder = f"results/{wildcards.dataset}/{wildcards.fold}/chunks/{name}"
    return [
        f"{folder}/{k}.zarr"
        for k in range(-(-options["samples"] // options["samples_per_chunk"]))
    ]


def training_of_model(wildcards):
    return config["training"][recipe(wildcards)["training"]]


def model_description(wildcards):
    model = recipe(wildcards)
    return {
        "architecture": {
            "name": model["network"],
            "in_channels": 1,
            "classes": 2,
            **model["options"],
        },
        "dataset": wildcards.dataset,
        "fold": wildcards.fold,
        "seed": config["seed"] + seed(wildcards),
    }


def models_of_runs():
    """(dataset, fold, model) of everything to run."""
    return [
        (run["dataset"], fold, name if number == 0 else f"{name}-seed{number}")
        for run in config["runs"]
        for fold in run["folds"]
        for name in run["models"]
        for number in run["seeds"]
    ]


def of_runs(pattern):
    """``pattern`` for every model to run."""
    return [
        pattern.format(dataset=d, fold=f, model=m)
        for d, f, m in dict.fromkeys(models_of_runs())
    ]


def prediction_of_model(wildcards):
    return config["prediction"][recipe(wildcards)["prediction"]]


def segmentation_of_dataset(wildcards):
    return config["segmentation"][config["datasets"][wildcards.dataset]["segmentation"]]


def metrics_of_dataset(wildcards):
    return config["metrics"][config["datasets"][wildcards.dataset]["metrics"]]


def ids_of_model(wildcards):
    """The columns by which tables name a model."""
    ids = {
        "dataset": wildcards.dataset,
        "fold": wildcards.fold,
        "model": wildcards.model,
    }
    return ids | {"seed": config["seed"] + seed(wildcards)}


def benchmarks_of_runs():
    """A row for every measured job behind the runs: rule, dataset, fold, model, job, benchmark file, device file."""
    rows = {}

    def add(rule, dataset, fold="", model="", job="", device_file=None):
        path = (
            "/".join(
                filter(None, ["benchmarks/jobs", rule, dataset, str(fold), model, job])
            )
            + ".tsv"
        )
        row = {
            "rule": rule,
            "dataset": dataset,
            "fold": str(fold),
            "model": model,
            "job": job,
        }
        rows[path] = row | {"benchmark": path, "device_file": device_file}

    for dataset, fold, model in models_of_runs():
        name = config["models"][model.split("-seed")[0]]["augmentation"]
        options = config["augmentations"][name]
        folder = f"results/{dataset}/{fold}/{model}"
        add("prepare", dataset)
        add("weight_map", dataset, fold, job=options["weights"])
        for chunk in range(-(-options["samples"] // options["samples_per_chunk"])):
            add("augment", dataset, fold, job=f"{name}/{chunk}")
        add("train", dataset, fold, model, device_file=f"{folder}/model.json")
        add(
            "predict",
            dataset,
            fold,
            model,
            device_file=f"{folder}/prediction.zarr/zarr.json",
        )
        add("segment", dataset, fold, model)
        add("evaluate", dataset, fold, model)
    return list(rows.values())


def protocols():
    """How each data set is split, in words for the tables."""
    texts = {}
    for name, dataset in config["datasets"].items():
        split = dataset["split"]
        texts[name] = {
            "slabs": f"{split['folds']}-fold over contiguous slabs, {split['guard']} guard slices on each side",
            "groups": "train on the other sequences, test on this one",
            "images": f"{split['folds']}-fold over shuffled images",
        }[split["method"]]
        if dataset["format"] == "generated":
            texts[name] += "; generated data, not comparable with the paper"
    return texts


TABLES = {
    "table1_em": {
        "title": "Table 1: EM segmentation, the paper and ours",
        "csv": "results/report/table1_em.csv",
        "wide": False,
    },
    "metrics": {
        "title": "Metrics over all test slices",
        "csv": "results/metrics.csv",
        "wide": True,
    },
    "runtime": {
        "title": "Time and memory of every job",
        "csv": "results/runtime.csv",
        "wide": False,
    },
    "tiling_check": {
        "title": "Tiled against whole-image prediction: largest difference in probability",
        "csv": "results/report/tiling_check.csv",
        "wide": False,
    },
}


def table_to_show(wildcards):
    return TABLES[wildcards.table]["csv"]


def title_of_table(wildcards):
    return TABLES[wildcards.table]["title"]


def figures_of_runs():
    """Every picture and page of the report."""
    pages = [f"results/report/pages/{table}.html" for table in TABLES]
    for dataset, fold, model in models_of_runs():
        name = config["models"][model.split("-seed")[0]]["augmentation"]
        folder = f"results/report/{dataset}/{fold}"
        pages += [
            f"results/report/pages/{dataset}/checks.html",
            f"{folder}/weights_{config['augmentations'][name]['weights']}.svg",
            f"{folder}/chunks_{name}.svg",
            f"{folder}/training_{model}.svg",
            f"{folder}/prediction_{model}.svg",
        ]
    return list(dict.fromkeys(pages))
