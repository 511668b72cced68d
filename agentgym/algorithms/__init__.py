"""Algorithms: advantages, losses and presets, as functions in tables."""
