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


def views_of_recipes():
    """How many symmetries each recipe of the runs averages over."""
    predictions = {name: entry_of(name)["prediction"] for name in recipes_of_runs()}
    return {name: len(config["prediction"][entry]["symmetries"]) for name, entry in predictions.items()}


TABLES = {  # of the report: the CSV of each, and its title
    "table1_em": ("results/report/table1_em.csv", "Table 1: EM segmentation, the paper and ours"),
    "table2_ctc": ("results/report/table2_ctc.csv", "Table 2: cell tracking sets, SEG, the paper and ours"),
    "ablation": (
        "results/report/ablation.csv",
        "What each idea buys: every recipe, and its difference from the reference",
    ),
    "targets": ("results/report/targets.csv", "Published figures and claims, and what our runs say of them"),
    "speed": ("results/report/speed.csv", "What each recipe costs"),
    "metrics": ("results/metrics.csv", "Metrics over all test slices"),
    "runtime": ("results/runtime.csv", "Time and memory of every job"),
    "provenance": ("results/report/provenance.csv", "Where these results come from"),
    "tiling_check": (
        "results/report/tiling_check.csv",
        "Tiled against whole-image prediction: largest difference in probability",
    ),
}


def table_to_show(wildcards):
    return TABLES[wildcards.table][0]


def title_of_table(wildcards):
    return TABLES[wildcards.table][1]


def shown_wide(wildcards):
    """Whether a table is tidy, with a row per value, and shown with a column per metric."""
    return wildcards.table == "metrics"


def benchmarks_of_runs():
    """A row for every measured job behind the runs: rule, dataset, fold, model, job, benchmark file, device file.

    Slabs stand in one row with a pattern, since there may be any number of them.
    """
    rows = {}

    def add(rule, dataset, fold="", model="", job="", device_file=None):
        path = f"{Path('benchmarks/jobs', rule, dataset, str(fold), model, job)}.tsv"
        row = {"rule": rule, "dataset": dataset, "fold": str(fold), "model": model, "job": job}
        rows[path] = row | {"benchmark": path, "device_file": device_file}

    for dataset, fold, model in models_of_runs():
        name = entry_of(model)["augmentation"]
        folder = f"results/{dataset}/{fold}/{model}"
        add("prepare", dataset)
        for part, trained in trainings_of(config["models"], fold, model):
            add("weight_map", dataset, part, job=config["augmentations"][name]["weights"])
            for chunk in range(chunk_count(name)):
                add("augment", dataset, part, job=f"{name}/{chunk}")
            add("train", dataset, part, trained, device_file=f"results/{dataset}/{part}/{trained}/model.json")
        if (dataset, fold, model) not in tested_models_of_runs():
            continue
        add("predict", dataset, fold, model, device_file=f"{folder}/prediction.zarr/zarr.json")
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
