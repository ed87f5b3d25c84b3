"""Pipelines as functions: drawing one gives its graph."""
