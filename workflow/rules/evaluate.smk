rule evaluate:
    """Metrics of a model on the test slices of a fold."""
    input:
        volume="results/{dataset}/volume.zarr",
        prediction="results/{dataset}/{fold}/{model}/prediction.zarr",
        segmentation="results/{dataset}/{fold}/{model}/segmentation.zarr",
    output:
        table="results/{dataset}/{fold}/{model}/metrics.csv",
        calibration="results/{dataset}/{fold}/{model}/calibration.csv",
    log:
        "logs/evaluate/{dataset}/{fold}/{model}.log",
    benchmark:
        "benchmarks/jobs/evaluate/{dataset}/{fold}/{model}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("evaluate.py"),
        metrics=metrics_of_dataset,
        ids=ids_of_model,
    script:
        "../scripts/evaluate.py"


rule collect_metrics:
    """All metrics in one tidy table."""
    input:
        metrics_of_runs(),
    output:
        "results/metrics.csv",
    log:
        "logs/collect_metrics.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("collect.py"),
        made_from=metrics_of_runs(),
        columns=["dataset", "fold", "model", "seed", "image", "metric", "value"],
    script:
        "../scripts/collect.py"


rule collect_calibration:
    """All calibration tables in one."""
    input:
        of_runs("results/{dataset}/{fold}/{model}/calibration.csv"),
    output:
        "results/report/calibration.csv",
    log:
        "logs/collect_calibration.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("collect.py"),
        made_from=of_runs("results/{dataset}/{fold}/{model}/calibration.csv"),
        columns=["dataset", "fold", "model", "seed", "of", "low", "high", "pixels", "mean", "share"],
    script:
        "../scripts/collect.py"


rule collect_tiling:
    """All tiling checks in one table."""
    input:
        of_runs("results/{dataset}/{fold}/{model}/tiling_check.csv"),
    output:
        "results/report/tiling_check.csv",
    log:
        "logs/collect_tiling.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("collect.py"),
        made_from=of_runs("results/{dataset}/{fold}/{model}/tiling_check.csv"),
        columns=["dataset", "fold", "model", "seed", "image", "size", "tile", "max_difference"],
    script:
        "../scripts/collect.py"


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


rule measure_objects:
    """Size, place and grey values of every object of a volume."""
    input:
        volume=volume_made_here,
        segmentation="results/volumes/{volume}/{model}/segmentation.zarr",
    output:
        table="results/volumes/{volume}/{model}/objects.csv",
    log:
        "logs/measure_objects/{volume}/{model}.log",
    benchmark:
        "benchmarks/jobs/measure_objects/{volume}/{model}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: 4
    params:
        code=code("measure_objects.py"),
        volume=volume_entry,
        content=volume_content,
        dimensions=dimensions_of_objects,
    script:
        "../scripts/measure_objects.py"
