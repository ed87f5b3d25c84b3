"""Runs as people look at them: side by side in a file, and in a notebook."""
