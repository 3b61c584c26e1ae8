import pytest

from streamer.cli import driving


@pytest.fixture
def driven(monkeypatch):
    """The streams that would have run."""
    seen = []
    monkeypatch.setattr(driving, "drive", lambda box, *_, **__: seen.extend(box.streams.values()))
    return seen


def test_a_camera_is_served_as_a_cutout(streamer, driven):
    result = streamer("relay", "rtsp://camera/live", "--serve", "rtsp://127.0.0.1:8554/masked")
    assert result.exit_code == 0, result.stderr
    (config,) = driven
    assert config.source.type == "rtsp"
    (sink,) = config.sinks
    assert sink.serve.get_secret_value() == "rtsp://127.0.0.1:8554/masked"
    assert sink.layout == "cutout"
    assert "rtsp://127.0.0.1:8554/masked, once the source is there" in result.stdout


@pytest.mark.parametrize("url", ["http://me:s3cret@cam/video.mjpg", "https://cam/live.m3u8"])
def test_a_camera_over_http_is_relayed(streamer, driven, url):
    result = streamer("relay", url, "--serve", "rtsp://127.0.0.1/a")
    assert result.exit_code == 0, result.stderr
    assert driven[0].source.type == "rtsp"
    assert driven[0].source.url.get_secret_value() == url
    assert "s3cret" not in result.output


@pytest.mark.parametrize("url", ["udp://239.0.0.1:1234", "srt://cam:9000?passphrase=s3cret"])
def test_what_cannot_be_relayed_is_one_line(streamer, driven, url):
    for command in (("relay", url, "--serve", "rtsp://127.0.0.1/a"), ("preview", url)):
        result = streamer(*command)
        assert result.exit_code == 2
        assert "is not read: only rtsp, rtsps, http, https" in result.stderr
        assert "s3cret" not in result.output
    assert not driven


def test_a_value_may_be_changed(streamer, driven):
    serve = ("--serve", "rtsp://127.0.0.1/a")
    result = streamer("relay", "0", *serve, "--set", "matting.mode=tracked")
    assert result.exit_code == 0, result.stderr
    assert driven[0].matting.mode == "tracked"
    assert streamer("relay", "0", *serve, "--set", "mating.mode=tracked").exit_code == 2


def test_a_webcam_may_be_served_and_published_at_once(streamer, driven):
    ways = ("--serve", "rtsp://127.0.0.1/a", "--publish", "rtsp://server/b")
    result = streamer("relay", "0", *ways, "--layout", "composite", "--codec", "h265")
    assert result.exit_code == 0, result.stderr
    (config,) = driven
    assert config.source.type == "usb"
    (sink,) = config.sinks
    assert (sink.layout, sink.codec) == ("composite", "h265")
    assert sink.serve.get_secret_value() == "rtsp://127.0.0.1/a"
    assert sink.publish.get_secret_value() == "rtsp://server/b"


def test_without_a_way_out_it_says_which_there_are(streamer, driven):
    result = streamer("relay", "0")
    assert result.exit_code == 2
    assert "--serve rtsp://127.0.0.1:8554/masked or --publish" in result.stderr
    assert not driven


def test_other_machines_need_a_password_or_a_word(streamer, driven):
    refused = streamer("relay", "0", "--serve", "rtsp://0.0.0.0/a")
    assert refused.exit_code == 2
    assert "without a password" in refused.stderr
    assert streamer("relay", "0", "--serve", "rtsp://0.0.0.0/a", "--insecure").exit_code == 0
    assert streamer("relay", "0", "--serve", "rtsp://me:pw@0.0.0.0/a").exit_code == 0


def test_a_wrong_address_is_told_without_its_password(streamer, driven):
    result = streamer("relay", "0", "--serve", "rtsp://me:s3cret@127.0.0.1:x/a")
    assert result.exit_code == 2
    assert "port" in result.stderr
    assert "s3cret" not in result.output


def test_urls_with_passwords_may_come_from_the_environment(streamer, driven, monkeypatch):
    monkeypatch.setenv("STREAMER_SOURCE", "rtsp://me:one@camera/live")
    monkeypatch.setenv("STREAMER_SERVE", "rtsp://me:two@0.0.0.0/a")
    result = streamer("relay")
    assert result.exit_code == 0, result.stderr
    (config,) = driven
    assert config.source.url.get_secret_value() == "rtsp://me:one@camera/live"
    assert config.sinks[0].serve.get_secret_value() == "rtsp://me:two@0.0.0.0/a"


def test_rtsps_takes_its_certificate(streamer, driven):
    files = ("--certificate", "a.pem", "--private-key", "b.pem")
    result = streamer("relay", "0", "--serve", "rtsps://127.0.0.1/a", *files)
    assert result.exit_code == 0, result.stderr
    (config,) = driven
    assert (config.sinks[0].certificate, config.sinks[0].private_key) == ("a.pem", "b.pem")


def test_it_may_have_a_page(streamer, driven):
    result = streamer("relay", "0", "--serve", "rtsp://127.0.0.1/a", "--web")
    assert result.exit_code == 0, result.stderr
    assert [sink.type for sink in driven[0].sinks] == ["rtsp", "page"]
