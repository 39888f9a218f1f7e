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
        wide=shown_wide,
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


rule write_report:
    """The report of all runs, in one file."""
    input:
        targets_of_runs(),
    output:
        page="results/report.html",
    log:
        "logs/write_report.log",
    conda:
        "../../envs/report.yaml"
    params:
        code=code("write_report.py"),
        made_from=targets_of_runs(),
        captions=fingerprint(Path(workflow.current_basedir) / "../report"),
    script:
        "../scripts/write_report.py"
