"""Each of FFmpeg's errors has a name of ours."""

from __future__ import annotations

import av
import pytest

from streamer.errors import (
    SourceAuthError,
    SourceLost,
    SourceNotFound,
    SourceRefused,
    SourceTimeout,
    SourceTlsError,
    SourceUnsupported,
)
from streamer.sources.decoding.ffmpeg_errors import (
    translate_connect,
    translate_open,
    translate_read,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (av.FileNotFoundError(2, "No such file", "x"), SourceNotFound),
        (av.PermissionError(13, "Permission denied", "x"), SourceNotFound),
        (av.OSError(5, "Input/output error", "x"), SourceNotFound),
        (av.InvalidDataError(1, "Invalid data", "x"), SourceUnsupported),
    ],
)
def test_what_ffmpeg_says_of_a_file_has_a_name_of_ours(error, kind):
    assert type(translate_open(error, "it")) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (av.ConnectionRefusedError(111, "Connection refused", "x"), SourceRefused),
        (av.OSError(113, "No route to host", "x"), SourceRefused),
        (av.OSError(5, "Input/output error", "x"), SourceRefused),
        (av.HTTPUnauthorizedError(1, "401", "x"), SourceAuthError),
        (av.HTTPForbiddenError(1, "403", "x"), SourceAuthError),
        (av.HTTPNotFoundError(1, "404", "x"), SourceNotFound),
        (av.HTTPOtherClientError(1, "4XX", "x"), SourceRefused),
        (av.HTTPServerError(1, "5XX", "x"), SourceRefused),
        (av.InvalidDataError(1, "Invalid data", "x"), SourceRefused),
        (av.EOFError(1, "End of file", "x"), SourceRefused),
        (av.PatchWelcomeError(1, "Not yet implemented", "x"), SourceUnsupported),
        (av.TimeoutError(110, "Timed out", "x"), SourceTimeout),
    ],
)
def test_what_ffmpeg_says_of_a_server_has_a_name_of_ours(error, kind):
    assert type(translate_connect(error, "it", 0.1, 5.0)) is kind


def test_one_error_of_ffmpegs_is_an_unknown_host_or_a_certificate():
    error = av.OSError(5, "Input/output error", "x")
    unknown = translate_connect(error, "it", 0.1, 5.0, secure=True, knows_host=lambda: False)
    assert type(unknown) is SourceNotFound
    assert type(translate_connect(error, "it", 0.1, 5.0, secure=True)) is SourceTlsError


def test_bad_data_after_the_time_allowed_is_a_timeout():
    error = av.InvalidDataError(1, "Invalid data", "x")
    assert type(translate_connect(error, "it", 4.9, 5.0)) is SourceTimeout
    assert type(translate_read(error, "it", 4.9, 5.0)) is SourceTimeout
    assert type(translate_read(error, "it", 0.2, 5.0)) is SourceLost


@pytest.mark.parametrize(
    "translate",
    [
        lambda error: translate_open(error, "it"),
        lambda error: translate_connect(error, "it", 0.1, 5.0),
        lambda error: translate_read(error, "it"),
    ],
)
def test_a_failure_of_ffmpeg_without_a_number_is_not_called_a_lack_of_permission(translate):
    said = str(translate(av.PermissionError(1, "Operation not permitted", "x")))
    assert "permi" not in said
    assert "FFmpeg gives no reason" in said
