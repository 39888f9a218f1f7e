rule write_report:
    """The report of all runs, in one file. It runs beside Snakemake, so without an environment of its own."""
    input:
        targets_of_runs(),
    output:
        page="results/report.html",
    log:
        "logs/write_report.log",
    params:
        code=code("write_report.py"),
        made_from=targets_of_runs(),
        captions=fingerprint(Path(workflow.current_basedir) / "../report"),
        snakefile=str(workflow.main_snakefile),
    script:
        "../scripts/write_report.py"
