"""Picture of the sizes and grey values of a volume's objects."""

import pandas as pd
from unetflow import jobs
from unetflow.report import figures

if __name__ == "__main__":
    with jobs.job(snakemake):
        figures.save(figures.objects_figure(pd.read_csv(snakemake.input.table)), snakemake.output.figure)
