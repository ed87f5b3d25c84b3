"""Moves what runs towards what should run: promotions, gates, rollouts, rollbacks."""
