"""Annotated images: fetched or generated, read, checked, split into folds, kept as stores that training reads."""
