"""Metrics: pure functions of truth and result; by name in `registry`."""
