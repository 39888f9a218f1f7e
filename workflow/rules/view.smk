# Looking at results.


rule view:
    """A local page with images, probabilities and objects as layers; it lives until Ctrl-C: snakemake view"""
    input:
        [stores for _, *stores in scenes_of_tests()],
        [stores for _, _, *stores in scenes_of_volumes()],
    log:
        "logs/view.log",
    conda:
        "../../envs/view.yaml"
    params:
        tested=list(scenes_of_tests()),
        volumes=list(scenes_of_volumes()),
    script:
        "../scripts/view.py"
