rule check:
    """What was understood of every data set and volume of the runs, before anything is computed: snakemake check"""
    input:
        checks_of_runs(),
    log:
        "logs/check.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        datasets=datasets_of_runs(),
        volumes=volumes_to_check(),
    script:
        "../scripts/check.py"


rule download:
    """Fetch a data set from its official place, checked and unpacked."""
    output:
        directory("resources/{dataset}"),
    log:
        "logs/download/{dataset}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        source=lookup("datasets/{dataset}/download", within=config),
    script:
        "../scripts/download.py"


rule prepare:
    """Read a data set, check it, and write volume, normalisation constants and splits."""
    input:
        branch(downloaded, then="resources/{dataset}", otherwise=[]),
    output:
        volume=directory("results/{dataset}/volume.zarr"),
        splits="results/{dataset}/splits.json",
        checks="results/{dataset}/checks.csv",
    log:
        "logs/prepare/{dataset}.log",
    benchmark:
        "benchmarks/jobs/prepare/{dataset}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("prepare.py"),
        dataset=dataset_entry,
        folder=dataset_folder,
        content=dataset_content,
    script:
        "../scripts/prepare.py"
