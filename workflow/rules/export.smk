# What other programs need; made only when asked for by name.


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
