import re
from pathlib import Path

import pytest

from streamer.config import load_box, load_config, parse_config
from streamer.errors import ConfigError

CONFIGS = sorted((Path(__file__).parents[3] / "config").glob("*.yaml"))
SINKS = "sinks: [{type: discard}]\n"
WEBCAM = "source: {type: usb}\n" + SINKS


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        Path("c.yaml").write_text(text, encoding="utf-8")
        return "c.yaml"

    return write


def complaint(path, overrides=()):
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path, monkeypatch):
    for name in ("STREAMER_SOURCE", "STREAMER_CLIP", "STREAMER_MODEL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DOOR_CAMERA", "HALL_CAMERA"):
        monkeypatch.setenv(name, "rtsp://camera/stream")
    load_box(path)


def test_the_shipped_configurations_are_there():
    names = {path.stem for path in CONFIGS}
    assert names >= {"webcam", "headless", "rtsp_relay", "box", "demo"}


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert complaint("none.yaml").startswith("none.yaml: no such file")


def test_a_folder_is_not_a_file(tmp_path):
    assert "is a folder" in complaint(tmp_path)


def test_bytes_that_are_not_text_are_refused(written):
    Path(written("")).write_bytes(b"\xff\xfe\x00")
    assert complaint("c.yaml") == "c.yaml: is not text in UTF-8"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_said_to_be_empty(written, text):
    assert complaint(written(text)).startswith("c.yaml: is empty")


@pytest.mark.parametrize("text", ["- a\n", "words\n", "3\n"])
def test_the_top_level_is_a_mapping(written, text):
    assert complaint(written(text)).startswith("c.yaml: is not a mapping")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b\nc: [1, 2\n", "c.yaml: line 3, column 1: not YAML: "),
        ("a: @b\n", "c.yaml: line 1, column 4: not YAML: "),
        ("a: 1\nb: 2\na: 3\n", "c.yaml: line 3, column 1: the key 'a' stands twice"),
        ("s:\n  k: 1\n  k: 2\n", "c.yaml: line 3, column 3: the key 'k' stands twice"),
        ("a: &a [*a]\n", "c.yaml: is nested too deeply, or refers to itself"),
    ],
)
def test_what_is_not_yaml_is_located(written, text, expected):
    assert complaint(written(text)).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source: {type: usb, fps: 0}\n" + SINKS, "source.fps: 0 is not a positive number"),
        (
            "source: {type: usb, widht: 3}\n" + SINKS,
            "source: unknown key 'widht': did you mean 'width'?",
        ),
        (
            "source: {type: usb, usb: 3}\n" + SINKS,
            "source: unknown key 'usb': the keys are device, fourcc, fps, height, max_fps, "
            "reconnect, type, width",
        ),
        (WEBCAM + "modle: {}\n", "unknown key 'modle': did you mean 'model'?"),
        (WEBCAM + "7: 1\n", "unknown key '7': the keys are"),
        ("source: {type: usb}\n", "sinks: is missing"),
        ("source: {type: usb}\nsinks: []\n", "sinks: needs at least 1"),
        ("source: {type: file}\n" + SINKS, "source.path: is missing"),
        (
            "source: {}\n" + SINKS,
            "source.type: is missing: one of usb, rtsp, file, images, synthetic",
        ),
        (
            "source: {type: fil}\n" + SINKS,
            "source.type: 'fil' is not one of usb, rtsp, file, images, synthetic: "
            "did you mean 'file'?",
        ),
        (
            "source: {type: usb}\nsinks: [{type: window}]\n",
            "sinks.0.type: 'window' is not one of display, record, rtsp, images, pipe, "
            "virtual_camera, page, discard",
        ),
        (
            "source: {type: usb}\nsinks: [{type: record, path: a.mp4, crf: 99}]\n",
            "sinks.0.crf: 99 is not at most 63",
        ),
        (
            "source: {type: usb}\nsinks: [{type: record, path: a.mp4, presett: fast}]\n",
            "sinks.0: unknown key 'presett': did you mean 'preset'?",
        ),
        (WEBCAM + "model: {threads: many}\n", "model.threads: 'many' is not 'auto' or a whole"),
        (
            WEBCAM + "model: {providers: [cdua]}\n",
            "model.providers.0: 'cdua' is not one of tensorrt, cuda, coreml, directml, cpu: "
            "did you mean 'cuda'?",
        ),
        (WEBCAM + "refine:\n", "refine: nothing is not a mapping"),
        (WEBCAM + "refine: {threshold: 2}\n", "refine.threshold: 2 is not at most 1"),
        (WEBCAM + "name: a/b\n", "name: 'a/b' is not of the form"),
        (
            "source: {type: usb}\nsinks: [{type: display}, {type: display}]\n",
            "sinks: one display at most",
        ),
        (
            "source: {type: usb, fourcc: MJP}\n" + SINKS,
            "source.fourcc: 'MJP' is not at least 4 characters long",
        ),
        (
            "source: {type: usb, reconnect: {first_s: 9, max_s: 3}}\n" + SINKS,
            "source.reconnect: max_s is below first_s",
        ),
        (
            "source: {type: rtsp, url: rtsp://cam, password: x}\n" + SINKS,
            "source: password is without its username",
        ),
        (
            "source: {type: rtsp, url: rtsp://a:b@cam, username: x}\n" + SINKS,
            "source: username is in the URL too",
        ),
        (
            "source: {type: rtsp, url: rtsps://cam, transport: udp}\n" + SINKS,
            "source: transport udp would send the media of rtsps:// in clear",
        ),
        (WEBCAM + "standby: {text: '{camera}'}\n", "standby.text: knows only {state}"),
    ],
)
def test_what_is_wrong_is_said_with_path_value_and_way_out(written, text, expected):
    assert complaint(written(text)).startswith(f"c.yaml: {expected}")


def test_several_complaints_stand_in_one_line(written):
    message = complaint(written("source: {type: usb, fps: 0, width: x}\n" + SINKS))
    assert message == (
        "c.yaml: source.width: 'x' is not a whole number; source.fps: 0 is not a positive number"
    )


@pytest.mark.parametrize(
    "source",
    [
        "{type: rtsp, url: [rtsp://me:hunter2@cam/1]}",
        "{type: rtsp, url: {password: hunter2}}",
        "{type: file, path: rtsp://me:hunter2@cam/1, fps: rtsp://me:hun/ter2@cam/1}",
        "{type: usb, device: 0, width: 'rtsp://me:hunter2@cam'}",
    ],
)
def test_a_password_is_never_repeated(written, source):
    message = complaint(written(f"source: {source}\n" + SINKS))
    assert "hunter2" not in message
    assert "ter2" not in message


def test_the_environment_fills_placeholders_in(written, monkeypatch):
    monkeypatch.setenv("CAM", "2")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("FPS", raising=False)
    config = load_config(
        written(
            "name: cam-${CAM}\n"
            "source: {type: usb, device: '${CAM}', fps: '${FPS:-15}', width: '${EMPTY:-640}'}\n"
            "sinks: [{type: display, title: '$${CAM}'}, {type: record, path: 'out/${CAM}.mp4'}]\n"
        )
    )
    assert config.name == "cam-2"
    assert config.source.device == 2
    assert config.source.fps == 15
    assert config.source.width == 640
    assert config.sinks[0].title == "${CAM}"
    assert config.sinks[1].path == "out/2.mp4"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("rtsp://a:b #c@d/e", "rtsp://a:b #c@d/e"), ("a: b", "a: b"), ("/dev/video0", "/dev/video0")],
)
def test_a_filled_in_text_is_taken_as_it_stands(monkeypatch, value, expected):
    monkeypatch.setenv("CAM", value)
    data = {"source": {"type": "usb", "device": "${CAM}"}, "sinks": [{"type": "discard"}]}
    assert parse_config(data).source.device == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A:-${B:-x}}", "x"),
        ("${A:-${B:-${C:-x}}}", "x"),
        ("${A:-${SET:-x}}", "here"),
        ("${SET:-${A}}", "here"),
        ("${A:-a${B:-b}c${SET}d}e", "abcherede"),
        ("${A:-${B:-}}", ""),
        ("${A:-{x}", "{x"),
        ("${A:-$${x}", "${x"),
        ("${A:-5$}", "5$"),
        ("${ODD:-x}", "${SET}"),
    ],
)
def test_a_default_may_have_variables_with_defaults(monkeypatch, text, expected):
    for name in "ABC":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SET", "here")
    monkeypatch.setenv("ODD", "${SET}")  # a value is no template
    data = {"source": {"type": "usb"}, "sinks": [{"type": "display", "title": f"-{text}"}]}
    assert parse_config(data).sinks[0].title == f"-{expected}"


def test_a_number_may_come_from_the_inner_default(monkeypatch):
    monkeypatch.delenv("A", raising=False)
    monkeypatch.delenv("B", raising=False)
    data = {"source": {"type": "usb", "fps": "${A:-${B:-15}}"}, "sinks": [{"type": "discard"}]}
    assert parse_config(data).source.fps == 15


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A:-${B}}", "the environment variable B is not set"),
        ("${A:-${B:-x}", "write ${NAME} or ${NAME:-default}"),
        ("${A:-${B C}}", "write ${NAME} or ${NAME:-default}"),
        ("${A-x}", "write ${NAME} or ${NAME:-default}"),
        ("${A:?x}", "write ${NAME} or ${NAME:-default}"),
        ("${A:-" * 20 + "}" * 20, "write ${NAME} or ${NAME:-default}"),
    ],
)
def test_what_a_default_cannot_be_is_refused(monkeypatch, text, expected):
    for name in "AB":
        monkeypatch.delenv(name, raising=False)
    data = {"source": {"type": "usb"}, "sinks": [{"type": "display", "title": text}]}
    with pytest.raises(ConfigError, match=re.escape(f"c: sinks.0.title: {expected}")):
        parse_config(data, name="c")


def test_keys_that_begin_with_x_are_a_place_for_anchors(written, monkeypatch):
    monkeypatch.delenv("UNSET", raising=False)
    config = load_config(
        written(
            "x-film: &film {type: record, layout: cutout, path: a.mp4}\n"
            "x-small: &small {<<: *film, crf: 30}\n"
            "x-unused: {a: '${UNSET}'}\n"
            "source: {type: usb}\n"
            "sinks: [*film, {<<: *small, path: b.mp4}, {<<: [*small, *film], path: c.mp4}]\n"
        )
    )
    assert [sink.path for sink in config.sinks] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [sink.crf for sink in config.sinks] == [None, 30, 30]


def test_below_the_top_a_key_with_x_is_unknown(written):
    message = complaint(written("source: {type: usb, x-a: 1}\n" + SINKS))
    assert message.startswith("c.yaml: source: unknown key 'x-a'")
    message = complaint(written(WEBCAM), ["x-a=1"])
    assert message.startswith("c.yaml: unknown key 'x-a'")


def test_an_override_of_one_alias_leaves_the_others(written):
    text = "x-w: &w {type: discard}\nsource: {type: usb}\nsinks: [*w, *w]\n"
    config = load_config(written(text), ["sinks.1.labels=true"])
    assert [sink.labels for sink in config.sinks] == [False, True]


LAUGHS = "x0: &a0 [l, l, l, l, l, l, l, l, l]\n" + "".join(
    f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
MERGED = "x0: &a0 {a: 1}\n" + "".join(
    f"x{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}\n" for n in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LAUGHS, "line 5, column 10: has over 10000 values, aliases counted as often as used"),
        (MERGED, "has over 10000 values"),
        (WEBCAM + "a: [" + "1," * 11_000 + "]", "has over 10000 values"),
        ("a: " + "[" * 10_000 + "]" * 10_000, "is nested too deeply, or refers to itself"),
        ("a: " + "{a: " * 10_000 + "}" * 10_000, "is nested too deeply, or refers to itself"),
        ("- " * 10_000, "is nested too deeply, or refers to itself"),
        ("? " * 10_000, "is nested too deeply, or refers to itself"),
        ("a: &a {b: {c: *a}}", "is nested too deeply, or refers to itself"),
        ("name: " + "a" * 300_000, "has over 256 KiB: no configuration does"),
        ("name: " + "a" * 200_000 + "\n" + WEBCAM, "name: 'aaaa"),
        ("name: " + "1" * 5000 + "\n" + WEBCAM, "line 1, column 7: is no such number, date or"),
        ("name: 2026-13-45\n" + WEBCAM, "line 1, column 7: is no such number, date or"),
        ("model: {threads: 0x" + "f" * 9000 + "}\n" + WEBCAM, "is no such number"),
        ("model: {threads: 0x" + "f" * 300 + "}\n" + WEBCAM, "model.threads: a number of 1200"),
        ("name: " + "1:" * 100_000 + "1\n" + WEBCAM, "line 1, column 7: is no such number"),
        ("name: !!bool x\n" + WEBCAM, "line 1, column 7: is no such number, date or truth value"),
        ("name: !!int ''\n" + WEBCAM, "line 1, column 7: is no such number"),
        ("name: !!float ''\n" + WEBCAM, "line 1, column 7: is no such number"),
        ("name: !!timestamp x\n" + WEBCAM, "line 1, column 7: is no such number"),
        ("? !!bool q\n", "is no such number"),
        ("~: 1\n" + WEBCAM, "unknown key 'None'"),
    ],
    ids=lambda text: text[:20],
)
def test_text_made_to_be_endless_is_refused_at_once(written, text, expected):
    message = complaint(written(text))
    assert expected in message
    assert len(message) < 300


def test_an_override_made_to_be_endless_is_refused_too(written):
    message = complaint(written(WEBCAM), ["name=" + "[" * 10_000])
    assert message == "--set name: the value is not YAML: quote it"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="/dev/zero, as Linux has it")
def test_a_device_without_an_end_is_no_configuration():
    assert complaint("/dev/zero") == "/dev/zero: has over 256 KiB: no configuration does"


TEXTS = [
    *("123456", "0123", "true", "off", "1.5", "0x10", "1_000", "2026-01-01", "~", "null", "1e3"),
    *(" a b ", "[x]", "{a: b}", "#c", "p@ss:/%", "'q'", "${NOT}", "ünï"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_variable_is_the_text_that_it_is_where_a_text_is_expected(written, monkeypatch, text):
    monkeypatch.setenv("X", text)
    config = load_config(
        written(
            "source: {type: rtsp, url: 'rtsp://cam', username: '${X}', password: '${X:-}',\n"
            "         tls_ca: '${X}'}\n"
            "model: {name: '${X}'}\n"
            "sinks: [{type: display, title: '${X}', snapshots: '${X}'},\n"
            "        {type: virtual_camera, device: '${X}'}, {type: pipe, path: '${X}.raw'}]\n"
        )
    )
    assert config.source.username.get_secret_value() == text
    assert config.source.password.get_secret_value() == text
    assert config.source.tls_ca == config.model.name == text
    assert config.sinks[0].title == config.sinks[0].snapshots == config.sinks[1].device == text
    assert config.sinks[2].path == f"{text}.raw"


@pytest.mark.parametrize("text", ["", "0123", "true", "null"])
def test_an_empty_variable_is_no_password_and_any_other_is_one(monkeypatch, text):
    monkeypatch.setenv("X", text)
    monkeypatch.setenv("ME", "me")
    source = {"type": "rtsp", "url": "rtsp://cam", "username": "${ME}", "password": "${X:-}"}
    config = parse_config({"source": source, "sinks": [{"type": "discard"}]})
    secret = config.source.password
    assert (secret.get_secret_value() if secret else "") == text


def test_variables_are_numbers_truth_values_and_choices_where_these_are_expected(monkeypatch):
    for name, value in {
        "KIND": "usb",
        "DEVICE": "007",
        "WIDTH": "640",
        "FPS": "12.5",
        "NONE": "null",
        "BOOL": "off",
        "THREADS": "3",
        "LEFT": "0.25",
        "CPU": "cpu",
        "BACKGROUND": "green",
    }.items():
        monkeypatch.setenv(name, value)
    config = parse_config(
        {
            "source": {
                "type": "${KIND}",
                "device": "${DEVICE}",
                "width": "${WIDTH}",
                "height": "${NONE}",
                "fps": "${FPS}",
                "max_fps": "${NOT_SET:-}",
            },
            "model": {"threads": "${THREADS}", "normalize": "${BOOL}", "providers": ["${CPU}"]},
            "compose": {"background": "${BACKGROUND}"},
            "preprocess": {"roi": ["${LEFT}", 0, 0.5, 1]},
            "sinks": [{"type": "discard"}],
        }
    )
    source = config.source
    assert (source.device, source.width, source.height, source.fps) == (7, 640, None, 12.5)
    assert source.max_fps is None
    assert (config.model.threads, config.model.normalize) == (3, False)
    assert config.model.providers == ["cpu"]
    assert config.preprocess.roi[0] == 0.25
    assert config.compose.background.colour == "green"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0x10", "source.width: '0x10' is not a whole number"),
        ("wide", "source.width: 'wide' is not a whole number"),
        ("-1", "source.width: "),
    ],
)
def test_a_variable_that_is_no_number_is_named_as_it_stands(monkeypatch, value, expected):
    monkeypatch.setenv("X", value)
    data = {"source": {"type": "usb", "width": "${X}"}, "sinks": [{"type": "discard"}]}
    with pytest.raises(ConfigError) as refused:
        parse_config(data, name="c.yaml")
    assert str(refused.value).startswith(f"c.yaml: {expected}")


@pytest.mark.parametrize("value", ["123456", "0123", "true", "1.5", "off", "2026-01-01"])
def test_a_password_that_yaml_takes_for_something_else_wants_quotes(written, value):
    source = f"source: {{type: rtsp, url: rtsp://cam, username: me, password: {value}}}\n"
    message = complaint(written(source + SINKS))
    assert message == (
        "c.yaml: source.password: the value is not a text: put it in quotes, or YAML reads "
        "something else than you wrote"
    )
    quoted = source.replace(value, f"'{value}'")
    assert load_config(written(quoted + SINKS)).source.password.get_secret_value() == value


def test_an_unset_variable_without_a_default_is_named(written, monkeypatch):
    monkeypatch.delenv("CAM_URL", raising=False)
    message = complaint(written("source: {type: rtsp, url: '${CAM_URL}'}\n" + SINKS))
    assert message.startswith("c.yaml: source.url: the environment variable CAM_URL is not set")


def test_a_malformed_placeholder_is_refused(written):
    message = complaint(written("source: {type: file, path: '${A B}'}\n" + SINKS))
    assert message.startswith("c.yaml: source.path: write ${NAME}")


def test_overrides_reach_into_mappings_and_lists(written):
    config = load_config(
        written("source: {type: usb, fps: '${NO_SUCH}'}\nsinks: [{type: record, path: a.mp4}]\n"),
        ["source.fps=15", "sinks.0.path=b=c.mp4", "model.name=isnet", "sinks.1={type: discard}"],
    )
    assert config.source.fps == 15
    assert config.sinks[0].path == "b=c.mp4"
    assert config.model.name == "isnet"
    assert config.sinks[1].type == "discard"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("source.fps", "--set source.fps: is not key=value"),
        ("=3", "--set : is not key=value"),
        ("source..fps=3", "--set source..fps: is not key=value"),
        ("sinks.4.path=a", "--set sinks.4.path: '4' is not one of the 1 entries"),
        ("sinks.x=a", "--set sinks.x: 'x' is not one of the 1 entries"),
        ("source.type.x=a", "--set source.type.x: there is nothing below a plain value at 'x'"),
        ("source.fps=[1", "--set source.fps: the value is not YAML"),
        ("source.fps=-1", "c.yaml: source.fps: -1 is not a positive number"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(written, override, expected):
    assert complaint(written(WEBCAM), [override]).startswith(expected)


def test_plain_data_is_parsed_under_a_name():
    with pytest.raises(ConfigError, match=r"^mine: source: is missing"):
        parse_config({"sinks": [{"type": "discard"}]}, name="mine")
