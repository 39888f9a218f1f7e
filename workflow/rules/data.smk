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
