"""What several sinks need: canvases, times, paths. Private."""
