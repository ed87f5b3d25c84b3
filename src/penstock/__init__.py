"""Penstock: from a git push to continuously learning software."""
