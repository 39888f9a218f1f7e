rule train:
    """Train a network on the augmented chunks of a fold."""
    input:
        chunks=chunks_of_model,
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        targets=targets_of_model,
        init=init_of_model,
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
        gpu=GPU,
        mem_mb=memory_of_training,
        runtime=minutes_of_training,
    params:
        code=code("train.py"),
        description=model_description,
        training=training_of_model,
        made_from=training_data_of_model,
    script:
        "../scripts/train.py"
