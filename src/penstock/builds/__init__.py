"""Test and build: proves a revision and packs it into a release."""
