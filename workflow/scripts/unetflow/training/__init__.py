"""Training: the loop and its parts, and recipes that follow from the data."""
