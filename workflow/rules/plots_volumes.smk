rule plot_volume:
    """Picture of a predicted volume."""
    input:
        volume=volume_made_here,
        prediction="results/volumes/{volume}/{model}/prediction.zarr",
        segmentation="results/volumes/{volume}/{model}/segmentation.zarr",
    output:
        figure=report(
            "results/report/volumes/{volume}/prediction_{model}.svg",
            category="Volumes",
            caption="../report/volume.rst",
            labels={"volume": "{volume}", "model": "{model}"},
        ),
    log:
        "logs/plot_volume/{volume}/{model}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_volume.py"),
        volume=volume_entry,
    script:
        "../scripts/plot_volume.py"


rule plot_objects:
    """Sizes and grey values of the objects of a volume."""
    input:
        table="results/volumes/{volume}/{model}/objects.csv",
    output:
        figure=report(
            "results/report/volumes/{volume}/objects_{model}.svg",
            category="Volumes",
            caption="../report/objects.rst",
            labels={"volume": "{volume}", "model": "{model}, objects"},
        ),
    log:
        "logs/plot_objects/{volume}/{model}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("plot_objects.py"),
    script:
        "../scripts/plot_objects.py"
