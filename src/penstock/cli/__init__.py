"""The same words as the URLs."""
