# The tables of the report, and the measured jobs behind the runs.


PAPER = {"table1_em": "table1", "table2_ctc": "table2"}  # its tables, and the lists of data sets beside them


def datasets_of_table(wildcards):
    """The data sets beside a table of the paper."""
    return config["report"][PAPER[wildcards.paper]]


def protocols_of_table(wildcards):
    """How each of them is split, in words."""
    texts = {}
    for name in datasets_of_table(wildcards):
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


def comparable(table):
    """The data sets beside a table of the paper that are its own, not generated ones."""
    return [name for name in config["report"][table] if config["datasets"][name]["format"] != "generated"]


def recipes_of_runs():
    """Names of the recipes that the runs use, without seeds."""
    return list(dict.fromkeys(name for run in config["runs"] for name in run["models"]))


def views_of_recipes():
    """How many symmetries each of them averages over."""
    return {
        name: len(config["prediction"][config["models"][name]["prediction"]]["symmetries"])
        for name in recipes_of_runs()
    }


def models_of_fold(wildcards):
    """The models that are tested on a fold, one seed of each recipe."""
    names = [m for d, fold, m in tested_models_of_runs() if (d, str(fold)) == (wildcards.dataset, wildcards.fold)]
    return [name for name in names if "-seed" not in name]


def of_models_of_fold(store):
    """Function of the wildcards: the ``store`` of every one of `models_of_fold`."""
    pattern = f"results/{{dataset}}/{{fold}}/{{model}}/{store}"
    return lambda wildcards: expand(pattern, model=models_of_fold(wildcards), **wildcards)


TABLES = {
    "table1_em": {
        "title": "Table 1: EM segmentation, the paper and ours",
        "csv": "results/report/table1_em.csv",
        "wide": False,
    },
    "table2_ctc": {
        "title": "Table 2: cell tracking sets, SEG, the paper and ours",
        "csv": "results/report/table2_ctc.csv",
        "wide": False,
    },
    "ablation": {
        "title": "What each idea buys: every recipe, and its difference from the reference",
        "csv": "results/report/ablation.csv",
        "wide": False,
    },
    "targets": {
        "title": "Published figures and claims, and what our runs say of them",
        "csv": "results/report/targets.csv",
        "wide": False,
    },
    "speed": {
        "title": "What each recipe costs",
        "csv": "results/report/speed.csv",
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
        if config["segmentation"][config["datasets"][dataset]["segmentation"]]["choose"]:
            add("choose_segmentation", dataset, fold, model)
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
