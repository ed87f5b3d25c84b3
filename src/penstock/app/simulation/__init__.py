"""Policies of retraining, tried on what has happened: the same ticks under a virtual clock."""
