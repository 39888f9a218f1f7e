#!/bin/sh
# What became of a SLURM job, in the words of Snakemake's cluster-generic executor.
case "$(squeue --noheader --states all --job "$1" --format %T 2> /dev/null)" in
  COMPLETED) echo success ;;
  PENDING | CONFIGURING | RUNNING | SUSPENDED | COMPLETING | REQUEUED) echo running ;;
  *) echo failed ;;
esac
