# unetflow: from raw microscopy data to numbers that can be published.
# Usage: snakemake --cores 8 --resources gpu=1


include: "workflow/rules/presets.smk"


configfile: "config.yaml"


# A study that is kept in config/: snakemake --config preset=paper_em. It may rest on another, which is read before.
for study in files_of_preset(config.get("preset")):

    configfile: study


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/params.smk"
include: "workflow/rules/params_training.smk"
include: "workflow/rules/params_volumes.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/targets_report.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/augment.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/volumes.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/speed.smk"
include: "workflow/rules/plots.smk"
include: "workflow/rules/plots_compared.smk"
include: "workflow/rules/plots_volumes.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/view.smk"


rule all:
    """Everything that `runs` in the configuration asks for."""
    default_target: True
    input:
        targets_of_runs(),
        "results/report.html",
