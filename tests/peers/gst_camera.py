"""
A camera that speaks RTSP, made of GStreamer's server; a script for the system's own Python.

Prints `port N` when it serves, and ends when its standard input does. Needs no package of ours.
"""

import argparse
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

BITS = 16
# One thread makes one slice a frame. Of several, GStreamer repeats the parameter sets before each,
# which FFmpeg takes for the beginning of another frame.
ENCODERS = {
    "h264": "x264enc tune=zerolatency threads=1 speed-preset=ultrafast key-int-max={gop} "
    "bitrate=2000 ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} "
    "! rtph265pay name=pay0 pt=96 config-interval=-1",
    "mjpeg": "jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26",
}


class Counter:
    """Feeds an `appsrc` with grey frames that carry their number: 16 columns, the highest first."""

    def __init__(self, source, width, height, fps):
        self.source = source
        self.width = width
        self.height = height
        self.fps = fps
        self.number = 0
        GLib.timeout_add(1000 // fps, self.push)

    def push(self):
        column = self.width // BITS
        row = b"".join(
            (b"\xeb" if self.number >> (BITS - 1 - bit) & 1 else b"\x10") * column
            for bit in range(BITS)
        )
        row += bytes(self.width - len(row))
        buffer = Gst.Buffer.new_wrapped(row * self.height)
        buffer.pts = self.number * Gst.SECOND // self.fps
        buffer.duration = Gst.SECOND // self.fps
        self.number += 1
        return self.source.emit("push-buffer", buffer) == Gst.FlowReturn.OK


def factory_of(options):
    width, height = (int(side) for side in options.size.split("x"))
    caps = f"width={width},height={height},framerate={options.fps}/{options.seconds}"
    picture = f"videotestsrc is-live=true pattern={options.pattern} ! video/x-raw,{caps}"
    if options.counter:
        picture = (
            f"appsrc name=counter is-live=true format=time caps=video/x-raw,format=GRAY8,{caps}"
        )
    encoder = ENCODERS[options.codec].format(gop=options.gop)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {picture} ! videoconvert ! video/x-raw,format=I420 ! {encoder} )")
    factory.set_shared(options.shared)
    if options.counter:

        def feed(_, media):
            source = media.get_element().get_by_name("counter")
            Counter(source, width, height, options.fps)

        factory.connect("media-configure", feed)
    return factory


def protect(server, factory, options):
    auth = GstRtspServer.RTSPAuth()
    if options.user:
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if options.digest:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(options.user, options.password, token)
        else:
            basic = GstRtspServer.RTSPAuth.make_basic(options.user, options.password)
            auth.add_basic(basic, token)
        role = Gst.Structure.new_from_string(
            "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
        )
        factory.add_role_from_structure(role)
    if options.certificate:
        auth.set_tls_certificate(
            Gio.TlsCertificate.new_from_files(options.certificate, options.key)
        )
        if not options.user:
            token = GstRtspServer.RTSPToken()
            token.set_string("media.factory.role", "anonymous")
            auth.set_default_token(token)
            role = Gst.Structure.new_from_string(
                "anonymous, media.factory.access=(boolean)true, "
                "media.factory.construct=(boolean)true"
            )
            factory.add_role_from_structure(role)
    if options.user or options.certificate:
        server.set_auth(auth)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--codec", choices=ENCODERS, default="h264")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--seconds", type=int, default=1, help="in which --fps frames come")
    parser.add_argument("--gop", type=int, default=10)
    parser.add_argument("--shared", action="store_true", help="one encoder for all viewers")
    parser.add_argument("--pattern", default="ball", help="of videotestsrc")
    parser.add_argument("--counter", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    factory = factory_of(options)
    protect(server, factory, options)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        sys.exit("the port cannot be had")
    loop = GLib.MainLoop()

    def end_with_standard_input():
        sys.stdin.read()
        GLib.idle_add(loop.quit)

    threading.Thread(target=end_with_standard_input, daemon=True).start()
    sys.stdout.write(f"port {server.get_bound_port()}\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main()
