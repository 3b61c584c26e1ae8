"""Used by several sinks: canvases, times, paths. Private."""
