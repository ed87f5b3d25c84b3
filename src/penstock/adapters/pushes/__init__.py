"""Rows that programs push: appended to files, each row once."""
