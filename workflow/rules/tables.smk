# The tables of the report, and the measured jobs behind the runs.


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
