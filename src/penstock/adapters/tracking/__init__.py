"""What MLflow's library logs inside a step, given to the step's own log."""
