"""Making an int8 file of a model, and proving that it is good."""
