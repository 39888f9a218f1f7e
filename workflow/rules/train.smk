rule find_recipe:
    """The recipe that follows from the data of a fold and from the device, for `training: auto`."""
    input:
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
    output:
        recipe="results/{dataset}/{fold}/auto.yaml",
    log:
        "logs/find_recipe/{dataset}/{fold}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPU,
        mem_mb=memory_of_training,
    params:
        code=code("find_recipe.py"),
        labels=labels_of_dataset,
    script:
        "../scripts/find_recipe.py"


rule train:
    """Train a network on the augmented chunks of a fold."""
    input:
        chunks=chunks_of_model,
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        targets=targets_of_model,
        init=init_of_model,
        recipe=recipe_of_training,
    output:
        model="results/{dataset}/{fold}/{model}/model.safetensors",
        description="results/{dataset}/{fold}/{model}/model.json",
        best="results/{dataset}/{fold}/{model}/best.safetensors",
        best_description="results/{dataset}/{fold}/{model}/best.json",
        history="results/{dataset}/{fold}/{model}/history.csv",
    log:
        "logs/train/{dataset}/{fold}/{model}.log",
    benchmark:
        "benchmarks/jobs/train/{dataset}/{fold}/{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=gpus_of_training,
        mem_mb=memory_of_training,
        runtime=minutes_of_training,
    params:
        code=code("train.py"),
        description=model_description,
        training=training_of_model,
        made_from=training_data_of_model,
    script:
        "../scripts/train.py"


rule ensemble:
    """Several trainings of a recipe as one model."""
    input:
        members=files_of_members,
    output:
        model="results/{dataset}/{fold}/{model}/model.safetensors",
        description="results/{dataset}/{fold}/{model}/model.json",
    log:
        "logs/ensemble/{dataset}/{fold}/{model}.log",
    wildcard_constraints:
        model=ENSEMBLES,
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("ensemble.py"),
        members=files_of_members,
    script:
        "../scripts/ensemble.py"


ruleorder: ensemble > train
