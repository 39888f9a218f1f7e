"""The science of the pipeline: arrays and numbers in, arrays and numbers out; no Snakemake."""

CLASSES = ("background", "object", "border")  # of pixels; the border of objects is one in some recipes only
IGNORE = -1  # label of pixels about which nothing is known: no weight, no part in class frequencies or metrics
