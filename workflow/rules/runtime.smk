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


rule collect_runtime:
    """Wall time, memory and GPU time of every job."""
    input:
        [row["benchmark"] for row in benchmarks_of_runs() if row["job"] != "*"],
    output:
        "results/runtime.csv",
    log:
        "logs/collect_runtime.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("collect_runtime.py"),
        rows=benchmarks_of_runs(),
    script:
        "../scripts/collect_runtime.py"
