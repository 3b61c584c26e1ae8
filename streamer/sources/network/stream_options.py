"""FFmpeg's options for connecting to a live stream, and checks of the answer."""

from __future__ import annotations

from urllib.parse import quote

from av.container import InputContainer
from pydantic import SecretStr

from streamer.config import RtspSourceConfig
from streamer.config.stream_urls import SECURE, scheme_of
from streamer.core.tls import authorities
from streamer.errors import SourceTlsError, SourceUnsupported

_RTSP = "rtsp,rtsps,rtp,srtp,udp,tcp,tls"
_HTTP = "http,https,httpproxy,tcp,tls,crypto"
"""The only protocols that an answer may lead to: no playlist or redirection reads a local file."""
_UNTIMED = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "m4v"})
"""Formats without timestamps: FFmpeg would assume 25 frames a second, whatever comes."""


def whole_url(config: RtspSourceConfig) -> str:
    """The URL with the configured credentials, as FFmpeg takes it."""
    url, user = config.url.get_secret_value().strip().replace(" ", "%20"), config.username
    if user is None:
        return url
    scheme, _, rest = url.partition("://")
    password = config.password or SecretStr("")
    quoted = (quote(word.get_secret_value(), safe="") for word in (user, password))
    return f"{scheme}://{':'.join(quoted)}@{rest}"


def is_rtsp(url: str) -> bool:
    """Whether *url* is an RTSP one; otherwise it is HTTP."""
    return scheme_of(url).startswith("rtsp")


def options_for(config: RtspSourceConfig, name: str) -> dict[str, str]:
    """
    FFmpeg's options for the connection.

    Raises:
        SourceTlsError: the authorities to trust cannot be found.
    """
    url = config.url.get_secret_value()
    options = {
        "flags": "low_delay",
        # FFmpeg would wait for 20 frames to guess a rate. What it reads meanwhile is kept: the
        # first key frame is in it, and the next may be far. Pictures over HTTP tell no rate.
        "fpsprobesize": "3" if is_rtsp(url) else "0",
        "protocol_whitelist": _RTSP if is_rtsp(url) else _HTTP,
    }
    if is_rtsp(url):
        options["rtsp_transport"] = config.transport
        options["allowed_media_types"] = "video+audio" if config.audio else "video"
    if config.audio or not is_rtsp(url):
        # Or FFmpeg would wait 5 s for audio that is announced but does not come.
        options["analyzeduration"] = "500000"
    if scheme_of(url) in SECURE:
        options["tls_verify"] = "1" if config.tls_verify else "0"
        if config.tls_verify:
            try:
                options["ca_file"] = authorities(config.tls_ca)
            except FileNotFoundError as error:
                raise SourceTlsError(f"{name}: {error}") from None
    return options


def check_is_live(container: InputContainer, name: str) -> None:
    """
    Refuse an answer that is not a live stream. RTSP always is one.

    Raises:
        SourceUnsupported: a single picture, or a recording.
    """
    kind = container.format.name
    if kind == "image2" or kind.endswith("_pipe"):
        raise SourceUnsupported(
            f"{name}: is a single picture: give the URL of the camera's video, which often has "
            "mjpg, video or stream in it"
        )
    if container.duration and (kind == "hls" or (kind != "rtsp" and container.size > 0)):
        raise SourceUnsupported(
            f"{name}: is a recording of {container.duration / 1e6:.0f} s, not a live stream: "
            "download it and use `type: file`"
        )


def has_times(container: InputContainer) -> bool:
    """Whether its packets have timestamps."""
    return container.format.name not in _UNTIMED


def comes_in_bursts(container: InputContainer) -> bool:
    """Whether it comes in segments (HLS), many frames at once."""
    return str(container.format.name) == "hls"
