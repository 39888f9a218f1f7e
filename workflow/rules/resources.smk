import json
from unetflow.experiment.config import gpu_of_jobs

# What jobs need of a machine; profiles turn it into requests to a scheduler. It never changes results.

GPU = gpu_of_jobs(workflow.global_resources.get("gpu"))


# On a cluster: those that need the network or take no time run where Snakemake does.
localrules:
    all,
    check,
    download,
    export,
    plan,
    view,


LIBRARIES_MB = 1500  # Python, PyTorch, OpenVINO and the Snakemake of a job
OPERATIONS_PER_SECOND = 2e12 if GPU else 2e10  # of slow devices


def memory_of_training(wildcards, attempt):
    """MB."""
    return 8000 * attempt


def minutes_of_training(wildcards, attempt):
    """One that takes longer goes on at the next attempt."""
    return 480 * attempt


def memory_of_slab(wildcards, input, attempt):
    """MB, as planned."""
    planned = json.loads(Path(input.plan).read_text())
    return (LIBRARIES_MB + planned["bytes_of_memory"] // 10**6) * attempt


def minutes_of_slab(wildcards, input, attempt):
    """As planned; a slab that takes longer goes on at the next attempt."""
    planned, slabs = json.loads(Path(input.plan).read_text()), int(wildcards.scatteritem.split("-of-")[1])
    return (15 + round(planned["operations"] / slabs / OPERATIONS_PER_SECOND / 60)) * attempt
