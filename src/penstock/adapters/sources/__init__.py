"""Rows from databases, Delta tables and object stores, brought to files."""
