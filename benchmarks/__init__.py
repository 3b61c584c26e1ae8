"""Measurements: what a frame costs, stage by stage, and what the pipeline makes of it."""
