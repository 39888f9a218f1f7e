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
    wildcard_constraints:
        table="|".join(TABLES),
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


rule write_methods:
    """The methods paragraph of a paper, from what was run."""
    input:
        models=descriptions_of_runs(),
        volumes=[f"results/{dataset}/volume.zarr" for dataset in datasets_of_runs()],
    output:
        text="results/report/methods.md",
        page=report(
            "results/report/pages/methods.html",
            category="Methods",
            caption="../report/methods_text.rst",
            labels={"shown": "methods paragraph", "as": "page"},
        ),
    log:
        "logs/write_methods.log",
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("write_methods.py"),
        runs=methods_of_runs(),
        made_from=what_methods_tell(),
    script:
        "../scripts/write_methods.py"


rule write_provenance:
    """Code, configuration, machine, versions and models behind the results."""
    input:
        models=descriptions_of_runs(),
        metrics="results/metrics.csv",
    output:
        table="results/report/provenance.csv",
    log:
        "logs/write_provenance.log",
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("write_provenance.py"),
        made_from=descriptions_of_runs(),
    script:
        "../scripts/write_provenance.py"
