"""Prediction: load, swap, split traffic, answer, remember what was answered."""
