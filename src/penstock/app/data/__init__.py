"""Profiles of tables for people: of files, of sources and of snapshots."""
