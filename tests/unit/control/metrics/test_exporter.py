"""What is exported agrees with the report, and tells nobody where cameras and files are."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from streamer import __version__
from streamer.control.metrics.exporter import HostCollector, make_registry
from streamer.controls import Applied
from streamer.core.metrics import DROP_REASONS
from streamer.host import Host
from streamer.sinks.discard import DiscardSink
from tests.fakes import FakeClock
from tests.peers.media_servers import free_port
from tests.unit.control.metrics.conftest import MakeBox
from tests.unit.control.metrics.hosting import (
    FRAMES,
    LIVE,
    Samples,
    families,
    running,
    samples,
    value,
)
from tests.unit.serving.rtsp.client import Client
from tests.waiting import wait_for

COUNTERS = {
    "streamer_frames_captured_total": "captured",
    "streamer_frames_inferred_total": "inferred",
    "streamer_frames_propagated_total": "propagated",
    "streamer_frames_emitted_total": "emitted",
}


def scraped(registry: CollectorRegistry) -> Samples:
    return samples(generate_latest(registry))


def test_counters_equal_the_report_to_the_frame(box: MakeBox, tmp_path: Path) -> None:
    sinks = [{"type": "images", "path": str(tmp_path / "pictures")}, {"type": "discard"}]
    host = Host(box(door={"sinks": sinks}, hall={"source": {"frames": 7}}))
    registry = make_registry(host)
    report = host.run()["streams"]
    found = scraped(registry)
    for name, stream in report.items():
        for metric, count in COUNTERS.items():
            assert value(found, metric, stream=name) == stream["frames"][count], (name, metric)
        for reason, count in stream["drops"].items():
            dropped = value(found, "streamer_frames_dropped_total", stream=name, reason=reason)
            assert dropped == count
        assert value(found, "streamer_reconnects_total", stream=name) == stream["reconnects"]
        assert value(found, "streamer_restarts_total", stream=name) == stream["restarts"]
        assert value(found, "streamer_matte_age_frames_count", stream=name) == (
            stream["frames"]["inferred"] + stream["frames"]["propagated"]
        )
    assert value(found, "streamer_frames_emitted_total", stream="door") == FRAMES
    assert value(found, "streamer_frames_emitted_total", stream="hall") == 7
    for sink in ("0 images", "1 discard"):
        written = {"stream": "door", "sink": sink}
        assert value(found, "streamer_end_to_end_seconds_count", **written) == FRAMES
        assert value(found, "streamer_stage_seconds_count", stage="write", **written) == FRAMES
    infer = {"stream": "door", "stage": "infer", "sink": ""}
    assert value(found, "streamer_stage_seconds_count", **infer) == FRAMES
    assert value(found, "streamer_stage_seconds_sum", **infer) > 0
    assert value(found, "streamer_model_queue_seconds_count", stream="door") >= FRAMES
    assert value(found, "streamer_build_info", version=__version__) == 1


def test_both_formats_say_the_same(box: MakeBox) -> None:
    host = Host(box(door={}))
    registry = CollectorRegistry()
    registry.register(HostCollector(host, FakeClock()))  # without the process, which goes on
    host.run()
    plainly = samples(generate_latest(registry))
    openly = samples(generate_openmetrics(registry), open_metrics=True)
    assert plainly == openly
    assert len(plainly) > 100


def test_every_reason_of_a_drop_is_a_series(box: MakeBox) -> None:
    host = Host(box(door={}, hall={}))
    host.run()
    for times, reason in enumerate(DROP_REASONS, start=1):
        for _ in range(times):
            host.metrics("door").drop(reason)
    found = scraped(make_registry(host))
    dropped = {
        reason: value(found, "streamer_frames_dropped_total", stream="door", reason=reason)
        for reason in DROP_REASONS
    }
    assert dropped == host.report()["streams"]["door"]["drops"]
    assert dropped == {reason: times for times, reason in enumerate(DROP_REASONS, start=1)}


def test_counters_go_on_over_restarts(box: MakeBox, tmp_path: Path) -> None:
    """A sink fails after some frames, until the stream is started again; no counter ever falls."""
    folder = tmp_path / "pictures"
    sinks = [{"type": "images", "path": str(folder)}, {"type": "discard"}]
    source = {"realtime": True, "fps": 100, "frames": 200}
    host = Host(box(door={"sinks": sinks, "source": source}, hall={}))
    registry = make_registry(host)
    history: list[Samples] = []
    broken = False

    def break_it() -> bool:
        nonlocal broken
        history.append(scraped(registry))
        if not broken and folder.is_dir() and len(list(folder.iterdir())) >= 5:
            broken = True
            folder.rename(tmp_path / "aside")
            folder.write_text("in the way")
        elif folder.is_file():
            restarts = value(history[-1], "streamer_restarts_total", stream="door")
            if restarts:
                folder.unlink()
        return False

    report = host.run(break_it)["streams"]["door"]
    history.append(scraped(registry))
    counters = re.compile(r"streamer_\w+_(total|count|sum|bucket)")
    for earlier, later in pairwise(history):
        for key, count in earlier.items():
            if counters.fullmatch(key[0]):
                assert later[key] >= count, key
    assert value(history[-1], "streamer_restarts_total", stream="door") == report["restarts"] >= 1
    captured = value(history[-1], "streamer_frames_captured_total", stream="door")
    assert captured == report["frames"]["captured"] > 200


def test_each_sink_counts_for_itself_when_the_sinks_of_a_running_stream_change(
    box: MakeBox, tmp_path: Path
) -> None:
    port = free_port()
    pictures = {"type": "images", "path": str(tmp_path / "pictures"), "limit": 10}
    relay = {"type": "rtsp", "serve": f"rtsp://127.0.0.1:{port}/a", "encoder": "software"}
    host = Host(box(door={"sinks": [pictures, relay], **LIVE}))
    registry = make_registry(host)

    def written(found: Samples) -> dict[str, float]:
        """How many frames each sink has written, by its label."""
        return {
            dict(labels)["sink"]: count
            for (name, labels), count in found.items()
            if name == "streamer_stage_seconds_count" and ("stage", "write") in labels
        }

    def viewers(found: Samples) -> set[str]:
        return {dict(labels)["sink"] for name, labels in found if name == "streamer_relay_viewers"}

    with running(host):
        wait_for(lambda: min(written(scraped(registry)).values()) > 10)
        stream = host.stream("door")
        assert stream is not None
        discard = {"type": "discard"}
        assert isinstance(stream.apply({"sinks": [discard, relay]}), Applied)
        changed = scraped(registry)
        assert written(changed).keys() == {"0 images", "0 discard", "1 rtsp"}
        assert written(changed)["0 discard"] < 10 < written(changed)["0 images"], "inherits none"
        assert viewers(changed) == {"1 rtsp"}
        wait_for(lambda: written(scraped(registry))["0 discard"] > 10)
        assert written(scraped(registry))["0 images"] == written(changed)["0 images"]

        assert isinstance(stream.apply({"sinks": [relay]}), Applied)
        (sink,) = stream.status().sinks
        label = f"{sink.number} rtsp"
        before = scraped(registry)
        assert viewers(before) == {label}
        wait_for(lambda: written(scraped(registry))[label] > written(before)[label])
    assert not [key for key, count in written(before).items() if count < written(changed)[key]]


def test_a_sink_without_statistics_costs_no_other_its_own(
    box: MakeBox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sink: DiscardSink) -> dict[str, object]:
        raise RuntimeError("no statistics today")

    host = Host(box(door={}, hall={}))
    registry = make_registry(host)
    host.run()
    monkeypatch.setattr(DiscardSink, "statistics", fail)
    assert value(scraped(registry), "streamer_frames_emitted_total", stream="hall") == FRAMES
    (sink,) = host.report()["streams"]["door"]["sinks"]
    assert sink.keys() == {"dropped", "latency_ms"}
    assert "sinks[0] discard: has no statistics: no statistics today" in caplog.messages


def test_no_label_holds_a_url_a_password_or_a_path(box: MakeBox, tmp_path: Path) -> None:
    camera = {"type": "rtsp", "url": f"rtsp://boss:hunter2@127.0.0.1:{free_port()}/secret?a=b"}
    served = f"rtsp://guest:hunter3@127.0.0.1:{free_port()}/hidden"
    sinks = [
        {"type": "rtsp", "serve": served},
        {"type": "images", "path": str(tmp_path / "hidden")},
        {"type": "record", "path": str(tmp_path / "hidden.mp4")},
    ]
    host = Host(box(door={"source": camera}, hall={"sinks": sinks, **LIVE}))
    registry = make_registry(host)
    with running(host):
        wait_for(lambda: all(stream.status for stream in host.status().streams))
        exposed = generate_latest(registry)
    labels = {
        label
        for family in families(exposed)
        for sample in family.samples
        for name, label in sample.labels.items()
        if name != "le"
    }
    assert {"door", "hall", "0 rtsp", "1 images", "2 record", "stale", "write"} <= labels
    assert not [label for label in labels if not re.fullmatch(r"[\w. -]*", label)]
    for word in (b"hunter", b"boss", b"secret", b"hidden", b"rtsp:", str(tmp_path).encode()):
        assert word not in exposed


def test_a_stream_without_a_camera_is_down_and_has_no_frame(box: MakeBox) -> None:
    camera = {"type": "rtsp", "url": f"rtsp://127.0.0.1:{free_port()}/none"}
    host = Host(box(door={"source": camera}, hall=LIVE))
    registry = make_registry(host)
    with running(host):
        wait_for(lambda: all(stream.status for stream in host.status().streams))
        found = scraped(registry)
    assert value(found, "streamer_source_up", stream="door") == 0
    assert value(found, "streamer_source_up", stream="hall") == 1
    ages = {dict(labels)["stream"] for name, labels in found if "last_frame_age" in name}
    assert ages == {"hall"}


def test_the_age_of_the_last_frame_grows_while_none_come(box: MakeBox) -> None:
    host = Host(box(door=LIVE))
    registry = make_registry(host)

    def age_s() -> float:
        return value(scraped(registry), "streamer_last_frame_age_seconds", stream="door")

    with running(host):
        stream = host.stream("door")
        assert stream is not None
        stream.pause()
        wait_for(lambda: age_s() > 0.5)
        stream.resume()
        wait_for(lambda: age_s() < 0.5)
    over = scraped(registry)
    assert value(over, "streamer_source_up", stream="door") == 0
    assert not [name for name, _ in over if "last_frame_age" in name], "it has ended"


def test_viewers_of_a_relay_are_counted_until_the_stream_ends(box: MakeBox) -> None:
    port = free_port()
    relay = {"type": "rtsp", "serve": f"rtsp://127.0.0.1:{port}/masked", "encoder": "software"}
    host = Host(box(door={"sinks": [{"type": "discard"}, relay], **LIVE}))
    registry = make_registry(host)

    def viewers() -> float:
        return value(scraped(registry), "streamer_relay_viewers", stream="door", sink="1 rtsp")

    def is_offered() -> bool:
        with Client(("127.0.0.1", port)) as client:
            return client.ask("DESCRIBE").status == 200

    with running(host):
        wait_for(is_offered)
        assert viewers() == 0
        with Client(("127.0.0.1", port)) as client:
            transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
            assert client.ask("SETUP", f"{client.url}/trackID=0", Transport=transport).status == 200
            assert client.ask("PLAY").status == 200
            wait_for(lambda: viewers() == 1)
            host.request_stop()
            wait_for(lambda: host.status().streams[0].state == "ended")
            assert viewers() == 0


def test_how_busy_the_model_is_counts_from_scrape_to_scrape(box: MakeBox) -> None:
    clock = FakeClock()
    host = Host(box(door={}))
    registry = CollectorRegistry()
    registry.register(HostCollector(host, clock))

    def busy() -> float:
        return value(scraped(registry), "streamer_model_busy_ratio", stream="door")

    assert busy() == 0
    report = host.run()["streams"]["door"]
    clock.pass_s(2)
    assert busy() == pytest.approx(report["model"]["busy_s"] / 2)
    clock.pass_s(0.9)
    assert busy() == pytest.approx(report["model"]["busy_s"] / 2), "too soon after the last one"
    clock.pass_s(0.1)
    assert busy() == 0


def test_the_process_is_exported_beside_the_streams(box: MakeBox) -> None:
    found = scraped(make_registry(Host(box(door={}))))
    assert value(found, "process_resident_memory_bytes") > 0
    assert value(found, "process_cpu_seconds_total") > 0


def test_two_hosts_have_registries_of_their_own(box: MakeBox) -> None:
    first, second = (make_registry(Host(box(**{name: {}}))) for name in ("door", "hall"))
    assert ("streamer_restarts_total", (("stream", "door"),)) in scraped(first)
    assert ("streamer_restarts_total", (("stream", "hall"),)) in scraped(second)
