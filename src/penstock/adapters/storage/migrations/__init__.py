"""Migrations: the way from each released schema to the next."""

HEAD = "0009"
"""The revision of the newest migration: what `tables` describes."""
