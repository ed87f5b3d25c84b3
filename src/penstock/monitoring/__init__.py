"""Watches answers against training and truth: drift, performance, quality, delay."""
