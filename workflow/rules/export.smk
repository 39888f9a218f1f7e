# What other programs need; made only when asked for by name.


rule export:
    """A package of every model of the runs, for the BioImage Model Zoo and others: snakemake export"""
    input:
        packages_of_runs(),


rule export_model:
    """A trained model as bioimage.io package, as ONNX and by torch.export, with its model card."""
    input:
        volume="results/{dataset}/volume.zarr",
        splits="results/{dataset}/splits.json",
        model="results/{dataset}/{fold}/{model}/model.safetensors",
        description="results/{dataset}/{fold}/{model}/model.json",
        metrics=metrics_of_model,
    output:
        package="results/{dataset}/{fold}/{model}/export/model.zip",
        onnx="results/{dataset}/{fold}/{model}/export/model.onnx",
        program="results/{dataset}/{fold}/{model}/export/model.pt2",
        card="results/{dataset}/{fold}/{model}/export/README.md",
    log:
        "logs/export_model/{dataset}/{fold}/{model}.log",
    conda:
        "../../envs/exchange.yaml"
    params:
        code=code("export_model.py"),
        about=config["export"],
        ids=ids_of_model,
    script:
        "../scripts/export_model.py"


rule import_model:
    """A model that is brought along, checked, beside those that are trained here."""
    input:
        file=lambda wildcards: config["models"][wildcards.recipe]["file"],
    output:
        model="results/models/{recipe}/model.safetensors",
        description="results/models/{recipe}/model.json",
    log:
        "logs/import_model/{recipe}.log",
    wildcard_constraints:
        recipe=r"[A-Za-z0-9_.]+",
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("import_model.py"),
    script:
        "../scripts/import_model.py"


rule export_v04:
    """A prediction or segmentation as OME-Zarr 0.4."""
    input:
        image="results/{image}.zarr",
    output:
        exported=directory("results/{image}.v04.zarr"),
    log:
        "logs/export_v04/{image}.log",
    wildcard_constraints:
        image=r".+/(prediction|segmentation)",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("export_v04.py"),
    script:
        "../scripts/export_v04.py"


rule export_tiff:
    """A prediction, segmentation or prepared data set as one BigTIFF, as ImageJ and others read it."""
    input:
        image="results/{image}.zarr",
    output:
        exported="results/{image}.ome.tif",
    log:
        "logs/export_tiff/{image}.log",
    wildcard_constraints:
        image=r".+/(prediction|segmentation|volume)",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("export_tiff.py"),
    script:
        "../scripts/export_tiff.py"


rule export_images:
    """A file for each image, called as the image is: TIFF of a prediction, segmentation or data set, or outlines."""
    input:
        image="results/{image}.zarr",
    output:
        exported=directory("results/{image}_{kind}"),
    log:
        "logs/export_images/{image}_{kind}.log",
    wildcard_constraints:
        image=r".+/(prediction|segmentation|volume)",
        kind="images|outlines",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code("export_images.py"),
    script:
        "../scripts/export_images.py"
