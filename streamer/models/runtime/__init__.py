"""How a model runs: sessions, tensors, segmenters."""
