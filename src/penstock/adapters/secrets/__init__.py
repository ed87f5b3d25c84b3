"""Secrets sealed with a key in a file."""
