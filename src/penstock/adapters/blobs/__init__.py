"""Bytes named by digest, in a folder."""
