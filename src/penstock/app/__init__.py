"""Wires components to adapters; the only module that knows them all."""
