"""The model registry: versions, their evidence, and which one is champion where."""
