# The environment of `make env`, for machines where nothing can be installed. In a clone of this repository:
#   docker build --tag unetflow .
#   docker run --rm --gpus all --volume "$PWD:/work" unetflow --cores 8 --resources gpu=1
# Apptainer.def makes the same for clusters.
FROM python:3.11.13-slim-bookworm

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/unetflow
COPY Makefile ./
COPY requirements requirements
RUN make env VENV=/opt/venv
ENV PATH="/opt/venv/bin:$PATH" XDG_CACHE_HOME=/tmp/cache NUMBA_CACHE_DIR=/tmp/cache/numba

WORKDIR /work
ENTRYPOINT ["snakemake"]
