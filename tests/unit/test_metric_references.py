"""The metrics against the values of the reference implementations."""
