# Recipes against each other and against the paper: the tables.


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
