"""The feature store: one definition, the same values in training and in serving."""
