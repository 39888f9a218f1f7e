"""The science of the pipeline: arrays and numbers in, arrays and numbers out; no Snakemake.

augment, weights     from annotated images to samples: deformed, and weighed where cells touch
models, training     networks, and how they learn
inference, tiles     probabilities of images of any size, by overlap tiles
objects, metrics     from probabilities to objects, and how right they are
images, datasets     what lies on disk: image files of all kinds, and annotated images cut into folds
volumes              all of that for volumes larger than memory
experiment           what is to be run: the configuration
report, sharing      what people look at, and what they give to others
jobs, files, errors  what all scripts share
"""

BACKGROUND, OBJECT, BORDER = "background", "object", "border"  # classes of pixels; borders are one in some recipes only
SPREAD = "spread"  # what is kept beside the probabilities of the classes: their standard deviation over views
IGNORE = -1  # label of pixels about which nothing is known: no weight, no part in class frequencies or metrics
