rule augment:
    """One chunk of augmented training samples."""
    input:
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        targets=targets_of_augmentation,
        recipe=recipe_of_augmentation,
    output:
        chunk=directory("results/{dataset}/{fold}/chunks/{augmentation}/{chunk}.zarr"),
    log:
        "logs/augment/{dataset}/{fold}/{augmentation}/{chunk}.log",
    benchmark:
        "benchmarks/jobs/augment/{dataset}/{fold}/{augmentation}/{chunk}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("augment.py"),
        samples=samples_of_chunk,
        seed=sample_seed,
        augmentation=augmentation_options,
        made_from=targets_of_augmentation,
    script:
        "../scripts/augment.py"
