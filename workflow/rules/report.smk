rule compare_with_paper:
    """Table 1 of the paper with our rows below."""
    input:
        metrics="results/metrics.csv",
        reported=ancient(REPORTED),
    output:
        table=report(
            "results/report/table1_em.csv",
            category="Tables",
            caption="../report/table1.rst",
            labels={"table": "Table 1 (EM)", "as": "CSV"},
        ),
    log:
        "logs/compare_with_paper.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("compare_with_paper.py"),
        datasets=config["report"]["table1"],
        protocols=protocols(),
        reported=fingerprint(Path(REPORTED)),
    script:
        "../scripts/compare_with_paper.py"


rule show_table:
    """A table of the results as a page of the report."""
    input:
        table=table_to_show,
    output:
        page=report(
            "results/report/pages/{table}.html",
            category="Tables",
            caption="../report/table.rst",
            labels={"table": "{table}", "as": "page"},
        ),
    log:
        "logs/show_table/{table}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("show_table.py"),
        title=title_of_table,
        wide=lookup("{table}/wide", within=TABLES),
    script:
        "../scripts/show_table.py"


rule show_checks:
    """What was understood of a data set, as a page of the report."""
    input:
        table="results/{dataset}/checks.csv",
    output:
        page=report(
            "results/report/pages/{dataset}/checks.html",
            category="Data",
            caption="../report/checks.rst",
            labels={"data set": "{dataset}", "shown": "checks"},
        ),
    log:
        "logs/show_checks/{dataset}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("show_table.py"),
        title="What was read",
        wide=False,
    script:
        "../scripts/show_table.py"


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
