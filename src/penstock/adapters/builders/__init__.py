"""Builds with git, uv and pytest."""
