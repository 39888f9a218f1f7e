rule predict:
    """Class probabilities of a fold's test slices, by overlap tiles."""
    input:
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        model="results/{dataset}/{fold}/{model}/model.safetensors",
        description="results/{dataset}/{fold}/{model}/model.json",
    output:
        prediction=directory("results/{dataset}/{fold}/{model}/prediction.zarr"),
    log:
        "logs/predict/{dataset}/{fold}/{model}.log",
    benchmark:
        "benchmarks/jobs/predict/{dataset}/{fold}/{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPU,
    params:
        code=code("predict.py"),
        prediction=prediction_of_model,
    script:
        "../scripts/predict.py"


rule choose_segmentation:
    """Choose how to cut probabilities into objects, on slices of the training part."""
    input:
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        model="results/{dataset}/{fold}/{model}/model.safetensors",
        description="results/{dataset}/{fold}/{model}/model.json",
    output:
        chosen="results/{dataset}/{fold}/{model}/segmentation.json",
        trials="results/{dataset}/{fold}/{model}/segmentation_trials.csv",
    log:
        "logs/choose_segmentation/{dataset}/{fold}/{model}.log",
    benchmark:
        "benchmarks/jobs/choose_segmentation/{dataset}/{fold}/{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPU,
    params:
        code=code("choose_segmentation.py"),
        prediction=prediction_of_model,
        segmentation=segmentation_of_dataset,
    script:
        "../scripts/choose_segmentation.py"


rule segment:
    """Objects from probabilities."""
    input:
        prediction="results/{dataset}/{fold}/{model}/prediction.zarr",
        chosen=choice_of_segmentation,
    output:
        segmentation=directory("results/{dataset}/{fold}/{model}/segmentation.zarr"),
    log:
        "logs/segment/{dataset}/{fold}/{model}.log",
    benchmark:
        "benchmarks/jobs/segment/{dataset}/{fold}/{model}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("segment.py"),
        segmentation=segmentation_of_dataset,
    script:
        "../scripts/segment.py"


rule check_tiling:
    """Compare tiled with whole-image prediction for this very model."""
    input:
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        model="results/{dataset}/{fold}/{model}/model.safetensors",
        description="results/{dataset}/{fold}/{model}/model.json",
    output:
        table="results/{dataset}/{fold}/{model}/tiling_check.csv",
    log:
        "logs/check_tiling/{dataset}/{fold}/{model}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPU,
    params:
        code=code("check_tiling.py"),
        ids=ids_of_model,
    script:
        "../scripts/check_tiling.py"
