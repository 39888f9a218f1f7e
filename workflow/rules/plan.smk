rule plan:
    """What predicting the volumes will take, told without predicting anything: snakemake plan"""
    input:
        plans_of_runs(),


rule plan_volume:
    """How a volume will be cut and what that takes: tiles, memory, files, operations."""
    input:
        volume=volume_made_here,
        truth=truth_made_here,
        recipe=recipe_for_volume,
    output:
        plan="results/volumes/{volume}/{model}/plan.json",
    log:
        "logs/plan_volume/{volume}/{model}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPU,
    params:
        code=code("plan_volume.py"),
        volume=volume_entry,
        content=volume_content,
        truth=truth_entry,
        architecture=architecture_of_model,
        prediction=prediction_of_model,
    script:
        "../scripts/plan_volume.py"


# Apart from the plan, so that its measurements and words can change without predicting anything anew.
rule measure_speed:
    """Hours that predicting a volume will take on devices like this one."""
    input:
        plan="results/volumes/{volume}/{model}/plan.json",
        recipe=recipe_for_volume,
    output:
        speed="results/volumes/{volume}/{model}/speed.json",
    log:
        "logs/measure_speed/{volume}/{model}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPU,
    params:
        code=code("measure_speed.py"),
        architecture=architecture_of_model,
        prediction=prediction_of_model,
    script:
        "../scripts/measure_speed.py"
