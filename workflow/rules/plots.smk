rule plot_weights:
    """Picture of the weight map."""
    input:
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        targets="results/{dataset}/{fold}/targets/{weights}.zarr",
    output:
        figure=report(
            "results/report/{dataset}/{fold}/weights_{weights}.svg",
            category="Data",
            caption="../report/weights.rst",
            labels={
                "data set": "{dataset}",
                "shown": "weight map {weights}, fold {fold}",
            },
        ),
    log:
        "logs/plot_weights/{dataset}/{fold}/{weights}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_weights.py"),
    script:
        "../scripts/plot_weights.py"


rule plot_chunks:
    """Picture of augmented samples."""
    input:
        chunk="results/{dataset}/{fold}/chunks/{augmentation}/0.zarr",
    output:
        figure=report(
            "results/report/{dataset}/{fold}/chunks_{augmentation}.svg",
            category="Data",
            caption="../report/chunks.rst",
            labels={
                "data set": "{dataset}",
                "shown": "samples {augmentation}, fold {fold}",
            },
        ),
    log:
        "logs/plot_chunks/{dataset}/{fold}/{augmentation}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_chunks.py"),
        neighbours=lambda w: config["augmentations"][w.augmentation]["neighbours"],
    script:
        "../scripts/plot_chunks.py"


rule plot_training:
    """Learning curves."""
    input:
        history="results/{dataset}/{fold}/{model}/history.csv",
    output:
        figure=report(
            "results/report/{dataset}/{fold}/training_{model}.svg",
            category="Training",
            caption="../report/training.rst",
            labels={"data set": "{dataset}", "model": "{model}", "fold": "{fold}"},
        ),
    log:
        "logs/plot_training/{dataset}/{fold}/{model}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_training.py"),
    script:
        "../scripts/plot_training.py"


rule plot_prediction:
    """Picture of test slices: image, probability, borders."""
    input:
        volume="results/{dataset}/volume.zarr",
        prediction="results/{dataset}/{fold}/{model}/prediction.zarr",
        segmentation="results/{dataset}/{fold}/{model}/segmentation.zarr",
        metrics="results/{dataset}/{fold}/{model}/metrics.csv",
    output:
        figure=report(
            "results/report/{dataset}/{fold}/prediction_{model}.svg",
            category="Segmentations",
            caption="../report/prediction.rst",
            labels={"data set": "{dataset}", "model": "{model}", "fold": "{fold}"},
        ),
    log:
        "logs/plot_prediction/{dataset}/{fold}/{model}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_prediction.py"),
    script:
        "../scripts/plot_prediction.py"
