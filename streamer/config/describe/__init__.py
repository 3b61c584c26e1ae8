"""The configuration for people and editors: its reference and its schema. Not needed to run."""
