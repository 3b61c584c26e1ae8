"""The registered models, and fetching and keeping their weights."""
