"""An int8 file of a model, and the proof of it."""
