"""The science of the pipeline: arrays and numbers in, arrays and numbers out; no Snakemake."""

IGNORE = -1  # label of pixels about which nothing is known: no weight, no part in class frequencies or metrics
