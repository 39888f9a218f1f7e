# What the runs of the configuration add up to: models, tables, pictures, measured jobs, the report.
import json
import subprocess
import tempfile


def model_names(run):
    """The {model} of every recipe and seed of a run."""
    return [name if number == 0 else f"{name}-seed{number}" for name in run["models"] for number in run["seeds"]]


def models_of_runs():
    """(dataset, fold, model) of everything to train."""
    rows = [
        (run["dataset"], fold, model) for run in config["runs"] for fold in run["folds"] for model in model_names(run)
    ]
    return list(dict.fromkeys(rows))


def tested_models_of_runs():
    """Those of them that have test slices: all but what is trained on everything that is annotated."""
    official = [name for name, dataset in config["datasets"].items() if dataset["format"] == "isbi2012"]
    return [(d, fold, m) for d, fold, m in models_of_runs() if fold != "all" or d in official]


def volumes_of_runs():
    """(volume, model) of every volume to predict."""
    rows = [(volume, model) for run in config["runs"] for volume in run["volumes"] for model in model_names(run)]
    return list(dict.fromkeys(rows))


def plans_of_runs():
    """Plan and hours of every volume to predict."""
    return [f"results/volumes/{volume}/{model}/speed.json" for volume, model in volumes_of_runs()]


def metrics_of_runs():
    """The tables of all test slices and of all volumes with truth."""
    with_truth = [(v, m) for v, m in volumes_of_runs() if config["volumes"][v]["truth"]]
    tables = [f"results/volumes/{volume}/{model}/metrics.csv" for volume, model in with_truth]
    return [*of_runs("results/{dataset}/{fold}/{model}/metrics.csv"), *tables]


def of_runs(pattern):
    """``pattern`` for every model that is tested."""
    return [pattern.format(dataset=d, fold=f, model=m) for d, f, m in tested_models_of_runs()]


def benchmarks_of_runs():
    """A row for every measured job behind the runs: rule, dataset, fold, model, job, benchmark file, device file.

    Slabs stand in one row with a pattern, since there may be any number of them.
    """
    rows = {}

    def add(rule, dataset, fold="", model="", job="", device_file=None):
        path = f"{Path('benchmarks/jobs', rule, dataset, str(fold), model, job)}.tsv"
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
        folder = f"results/{dataset}/{fold}/{model}"
        add("prepare", dataset)
        add("weight_map", dataset, fold, job=config["augmentations"][name]["weights"])
        for chunk in range(chunk_count(name)):
            add("augment", dataset, fold, job=f"{name}/{chunk}")
        add("train", dataset, fold, model, device_file=f"{folder}/model.json")
        if (dataset, fold, model) not in tested_models_of_runs():
            continue
        add(
            "predict",
            dataset,
            fold,
            model,
            device_file=f"{folder}/prediction.zarr/zarr.json",
        )
        add("segment", dataset, fold, model)
        add("evaluate", dataset, fold, model)
    for volume, model in volumes_of_runs():
        prediction = f"results/volumes/{volume}/{model}/prediction.zarr/zarr.json"
        add("predict_slab", volume, model=model, job="*", device_file=prediction)
        add("stitch", volume, model=model)
        add("segment_volume", volume, model=model)
        if config["volumes"][volume]["truth"]:
            add("evaluate_volume", volume, model=model)
    return list(rows.values())


def protocols():
    """How each data set of the paper's table is split, in words."""
    texts = {}
    for name in config["report"]["table1"]:
        dataset = config["datasets"][name]
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
        ]
    pages += [f"results/report/{d}/{fold}/prediction_{m}.svg" for d, fold, m in tested_models_of_runs()]
    pages += [f"results/report/volumes/{volume}/prediction_{m}.svg" for volume, m in volumes_of_runs()]
    return list(dict.fromkeys(pages))


def targets_of_runs():
    """Every table, picture and page, and the plans of volumes."""
    tables = ["results/metrics.csv", "results/runtime.csv", *(row["csv"] for row in TABLES.values())]
    return [*tables, *figures_of_runs(), *plans_of_runs()]


def write_report():
    """Bundle the report into one HTML file, by Snakemake itself, if everything is there and newer than the last one."""
    page, targets = Path("results/report.html"), [Path(target) for target in targets_of_runs()]
    if not all(target.exists() for target in targets):
        return  # a run that asked for some of the files only
    if page.exists() and page.stat().st_mtime > max(target.stat().st_mtime for target in targets):
        return
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(workflow.main_snakefile),
            "--nolock",
            "--quiet",
        ]
        subprocess.run([*command, "--report", page, "--configfile", file.name], check=True)
    print(f"Report: {page.resolve()}", file=sys.stderr)
