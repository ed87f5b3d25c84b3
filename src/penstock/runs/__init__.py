"""The orchestrator: takes a graph and gets every step done, once in effect."""
