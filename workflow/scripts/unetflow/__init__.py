"""The science of the pipeline: arrays and numbers in, arrays and numbers out; no Snakemake."""
