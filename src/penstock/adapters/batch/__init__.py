"""Prediction of whole files: read in parts, answered, written, and taken up again after a kill."""
