rule weight_map:
    """Class and weight of every pixel (equation 2 of the paper) for the training part of a fold."""
    input:
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        recipe=recipe_of_weights,
    output:
        targets=directory("results/{dataset}/{fold}/targets/{weights}.zarr"),
    log:
        "logs/weight_map/{dataset}/{fold}/{weights}.log",
    benchmark:
        "benchmarks/jobs/weight_map/{dataset}/{fold}/{weights}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("weight_map.py"),
        weights=lookup("weights/{weights}", within=config),
    script:
        "../scripts/weight_map.py"
