# Recipes against each other and against the paper.


rule summarise:
    """Mean and spread of every recipe, and what it gains over the reference."""
    input:
        metrics="results/metrics.csv",
    output:
        table=report(
            "results/report/ablation.csv",
            category="Tables",
            caption="../report/ablation.rst",
            labels={"table": "Recipes compared", "as": "CSV"},
        ),
    log:
        "logs/summarise.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("summarise.py"),
        reference=config["report"]["reference"],
    script:
        "../scripts/summarise.py"


rule compare_with_paper:
    """A table of the paper with our rows below."""
    input:
        metrics="results/metrics.csv",
        reported=ancient(REPORTED),
    output:
        table=report(
            "results/report/{paper}.csv",
            category="Tables",
            caption="../report/paper.rst",
            labels={"table": "{paper}", "as": "CSV"},
        ),
    log:
        "logs/compare_with_paper/{paper}.log",
    wildcard_constraints:
        paper="table1_em|table2_ctc",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("compare_with_paper.py"),
        datasets=datasets_of_table,
        protocols=protocols_of_table,
        reported=fingerprint(Path(REPORTED)),
    script:
        "../scripts/compare_with_paper.py"


rule judge_targets:
    """Published figures and claims, with what our runs say of them."""
    input:
        metrics="results/metrics.csv",
        reported=ancient(REPORTED),
    output:
        table=report(
            "results/report/targets.csv",
            category="Tables",
            caption="../report/targets.rst",
            labels={"table": "Figures and claims", "as": "CSV"},
        ),
    log:
        "logs/judge_targets.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("judge_targets.py"),
        reference=config["report"]["reference"],
        tables={"1": comparable("table1"), "2": comparable("table2")},
        claims=config["report"]["claims"],
        reported=fingerprint(Path(REPORTED)),
    script:
        "../scripts/judge_targets.py"


rule profile_model:
    """Parameters, arithmetic, seconds and memory of one image by a recipe's network."""
    output:
        profile="results/models/{model}/speed.json",
    log:
        "logs/profile_model/{model}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        code=code("profile_model.py"),
        architecture=architecture_of_model,
        prediction=prediction_of_model,
    script:
        "../scripts/profile_model.py"


rule collect_speed:
    """What every recipe costs."""
    input:
        profiles=[f"results/models/{name}/speed.json" for name in recipes_of_runs()],
        runtime="results/runtime.csv",
    output:
        table=report(
            "results/report/speed.csv",
            category="Tables",
            caption="../report/speed.rst",
            labels={"table": "Cost of each recipe", "as": "CSV"},
        ),
    log:
        "logs/collect_speed.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("collect_speed.py"),
        models=recipes_of_runs(),
        views=views_of_recipes(),
    script:
        "../scripts/collect_speed.py"


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
        predictions=of_models_of_fold("prediction.zarr"),
        segmentations=of_models_of_fold("segmentation.zarr"),
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
        models=models_of_fold,
    script:
        "../scripts/plot_methods.py"
