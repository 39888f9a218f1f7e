rule predict_slab:
    """Class probabilities of a run of blocks of a volume."""
    input:
        volume=volume_made_here,
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
        gpu=GPU,
        mem_mb=memory_of_slab,
        runtime=minutes_of_slab,
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
        volume=volume_made_here,
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
    threads: 4
    params:
        code=[code("predict_slab.py"), code("stitch.py")],
        volume=volume_entry,
        content=volume_content,
        prediction=prediction_of_model,
        made_from=training_for_volume,
    script:
        "../scripts/stitch.py"


rule segment_volume:
    """Objects of a volume, joined across its blocks."""
    input:
        prediction="results/volumes/{volume}/{model}/prediction.zarr",
        chosen=choice_for_volume,
    output:
        segmentation=directory("results/volumes/{volume}/{model}/segmentation.zarr"),
    log:
        "logs/segment_volume/{volume}/{model}.log",
    benchmark:
        "benchmarks/jobs/segment_volume/{volume}/{model}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: 4
    params:
        code=code("segment_volume.py"),
        segmentation=segmentation_of_volume,
    script:
        "../scripts/segment_volume.py"


rule evaluate_volume:
    """Metrics of a volume whose true labels are known."""
    input:
        truth=truth_made_here,
        prediction="results/volumes/{volume}/{model}/prediction.zarr",
        segmentation="results/volumes/{volume}/{model}/segmentation.zarr",
    output:
        table="results/volumes/{volume}/{model}/metrics.csv",
    log:
        "logs/evaluate_volume/{volume}/{model}.log",
    benchmark:
        "benchmarks/jobs/evaluate_volume/{volume}/{model}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: 4
    params:
        code=code("evaluate_volume.py"),
        truth=truth_entry,
        labels=labels_of_truth,
        content=truth_content,
        dimensions=dimensions_of_objects,
        ids=ids_of_volume,
    script:
        "../scripts/evaluate_volume.py"
