"""Suites that every adapter of a port, and its fake, must pass."""
