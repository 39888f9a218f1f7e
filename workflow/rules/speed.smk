# What recipes cost.


rule profile_model:
    """Parameters, arithmetic, seconds and memory of one image by a recipe's network."""
    input:
        recipe=first_recipe,
    output:
        profile="results/models/{model}/speed.json",
    log:
        "logs/profile_model/{model}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=GPU,
    params:
        code=code("profile_model.py"),
        architecture=architecture_of_model,
        prediction=prediction_of_model,
    script:
        "../scripts/profile_model.py"


rule collect_speed:
    """What every recipe costs."""
    input:
        profiles=[f"results/models/{name}/speed.json" for name in recipes_of_runs()],
        runtime="results/runtime.csv",
    output:
        table=report(
            "results/report/speed.csv",
            category="Tables",
            caption="../report/speed.rst",
            labels={"table": "Cost of each recipe", "as": "CSV"},
        ),
    log:
        "logs/collect_speed.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("collect_speed.py"),
        models=recipes_of_runs(),
        views=views_of_recipes(),
        members=members_of_recipes(),
    script:
        "../scripts/collect_speed.py"
