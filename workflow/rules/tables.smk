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
