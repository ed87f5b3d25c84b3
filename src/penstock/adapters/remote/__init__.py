"""A Penstock server somewhere else."""
