"""Rows coming in: sources, snapshots, profiles, expectations."""
