"""Migrations: the way from each released schema to the next."""

HEAD = "0010"
"""The revision of the newest migration: what `tables` describes."""
