"""Whether every stream has fresh frames, and which ones have not."""

from __future__ import annotations

from streamer.host import Host, StreamStatus


def unready_streams(host: Host, within_s: float) -> list[str]:
    """
    One line for each stream that is not ready, such as `door: no frame for 12.3 s`.

    A stream is ready when its model is warm and its newest frame is less than *within_s* seconds
    old. One that has ended by itself, or was stopped, does not count.
    Lines hold no URL and no path.
    """
    lines = []
    for stream in host.status().streams:
        try:
            run = host.stream(stream.name)
        except KeyError:  # it was taken away just now
            continue
        why = _why_not(stream, within_s, warm=run is not None and run.ready)
        if why is not None:
            lines.append(f"{stream.name}: {why}")
    return lines


def _why_not(stream: StreamStatus, within_s: float, *, warm: bool) -> str | None:
    if stream.at_rest:
        return None
    if stream.state == "failed":
        return "failed, and is not started again"
    age_s = stream.status.counts.source.frame_age_s if stream.status is not None else None
    if age_s is None:
        return "no frame yet"
    if age_s >= within_s:
        return f"no frame for {age_s:.1f} s"
    return None if warm else "its model is being loaded"
