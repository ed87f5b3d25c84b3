"""Search for parameters, with Optuna."""
