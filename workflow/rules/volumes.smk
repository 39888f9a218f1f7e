rule plan_volume:
    """What predicting a volume will take on this device: tiles, memory, files, hours."""
    output:
        plan="results/volumes/{volume}/{model}/plan.json",
        speed="results/volumes/{volume}/{model}/speed.json",
    log:
        "logs/plan_volume/{volume}/{model}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        code=code("plan_volume.py"),
        volume=volume_entry,
        content=volume_content,
        architecture=architecture_of_model,
        prediction=prediction_of_model,
    script:
        "../scripts/plan_volume.py"


rule predict_slab:
    """Class probabilities of a run of blocks of a volume."""
    input:
        plan="results/volumes/{volume}/{model}/plan.json",
        model=model_for_volume,
        description=description_for_volume,
    output:
        slab=temp(directory("results/volumes/{volume}/{model}/slabs/{scatteritem}.zarr")),
    log:
        "logs/predict_slab/{volume}/{model}/{scatteritem}.log",
    benchmark:
        "benchmarks/jobs/predict_slab/{volume}/{model}/{scatteritem}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        code=code("predict_slab.py"),
        volume=volume_entry,
        content=volume_content,
        prediction=prediction_of_model,
        made_from=training_for_volume,
    script:
        "../scripts/predict_slab.py"


# Code, parameters and model are those of the slabs too: Snakemake doesn't look behind temporary files that are gone.
rule stitch:
    """The prediction of a volume from its slabs, with coarser levels to look at."""
    input:
        slabs=gather.slab("results/volumes/{{volume}}/{{model}}/slabs/{scatteritem}.zarr"),
        plan="results/volumes/{volume}/{model}/plan.json",
        model=model_for_volume,
    output:
        prediction=directory("results/volumes/{volume}/{model}/prediction.zarr"),
    log:
        "logs/stitch/{volume}/{model}.log",
    benchmark:
        "benchmarks/jobs/stitch/{volume}/{model}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=[code("predict_slab.py"), code("stitch.py")],
        volume=volume_entry,
        content=volume_content,
        prediction=prediction_of_model,
        made_from=training_for_volume,
    script:
        "../scripts/stitch.py"
