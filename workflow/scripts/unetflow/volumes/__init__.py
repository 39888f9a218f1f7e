"""Volumes larger than memory: planned, cut into blocks, written, joined and measured block by block."""
