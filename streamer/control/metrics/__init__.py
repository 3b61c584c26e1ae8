"""Metrics for Prometheus, and health, served over HTTP while a host runs."""

from streamer.control.metrics.endpoint import serving_metrics

__all__ = ["serving_metrics"]
