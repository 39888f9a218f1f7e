# Recipes against each other and against the paper: the pictures.


rule plot_comparison:
    """Bars with spread, and what every recipe gains over the reference."""
    input:
        summary="results/report/ablation.csv",
        metrics="results/metrics.csv",
        reported=ancient(REPORTED),
    output:
        bars=report(
            "results/report/{dataset}/comparison.svg",
            category="Comparison",
            caption="../report/comparison.rst",
            labels={"data set": "{dataset}", "shown": "metrics of every recipe"},
        ),
        differences=report(
            "results/report/{dataset}/differences.svg",
            category="Comparison",
            caption="../report/differences.rst",
            labels={"data set": "{dataset}", "shown": "what each idea buys"},
        ),
    log:
        "logs/plot_comparison/{dataset}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_comparison.py"),
        reference=config["report"]["reference"],
        table1=comparable("table1"),
        reported=fingerprint(Path(REPORTED)),
    script:
        "../scripts/plot_comparison.py"


rule plot_methods:
    """The same test slice by every recipe of a fold."""
    input:
        volume="results/{dataset}/volume.zarr",
        predictions=compared_stores("prediction.zarr"),
        segmentations=compared_stores("segmentation.zarr"),
    output:
        figure=report(
            "results/report/{dataset}/{fold}/methods.svg",
            category="Comparison",
            caption="../report/methods.rst",
            labels={"data set": "{dataset}", "shown": "side by side, fold {fold}"},
        ),
    log:
        "logs/plot_methods/{dataset}/{fold}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_methods.py"),
        models=models_of_picture,
    script:
        "../scripts/plot_methods.py"


rule plot_calibration:
    """Whether the probabilities of every recipe mean what they say, and where they are wrong."""
    input:
        calibration="results/report/calibration.csv",
    output:
        figure=report(
            "results/report/{dataset}/calibration.svg",
            category="Comparison",
            caption="../report/calibration.rst",
            labels={"data set": "{dataset}", "shown": "calibration and spread"},
        ),
    log:
        "logs/plot_calibration/{dataset}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_calibration.py"),
    script:
        "../scripts/plot_calibration.py"


rule plot_cost:
    """What training time buys: metrics of every run against the minutes of its training."""
    input:
        metrics="results/metrics.csv",
        runtime="results/runtime.csv",
    output:
        figure=report(
            "results/report/{dataset}/cost.svg",
            category="Comparison",
            caption="../report/cost.rst",
            labels={"data set": "{dataset}", "shown": "quality and training time"},
        ),
    log:
        "logs/plot_cost/{dataset}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_cost.py"),
        members=members_of_recipes(),
    script:
        "../scripts/plot_cost.py"
