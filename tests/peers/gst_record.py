"""
A GStreamer RTSP server that takes a published stream; run by the system's python3, which has gi.

    gst_record.py [--user USER --password PASSWORD] [--certificate PEM --key PEM]

with Digest and over TLS, if they are given.

Says its port in a line, then `frames N` in another for every frame it took.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

parser = argparse.ArgumentParser()
for option in ("--user", "--password", "--certificate", "--key"):
    parser.add_argument(option)
options = parser.parse_args()
Gst.init(None)
frames = 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def took(sink: Gst.Element) -> Gst.FlowReturn:
    global frames
    sink.emit("pull-sample")
    frames += 1
    say(f"frames {frames}")
    return Gst.FlowReturn.OK


def configure(_factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
    media.get_element().get_by_name("out").connect("new-sample", took)


server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
factory.set_launch(
    "( rtph264depay name=depay0 ! h264parse ! avdec_h264 ! "
    "appsink name=out emit-signals=true sync=false )"
)
factory.connect("media-configure", configure)
if options.user or options.certificate:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "publisher")
    auth = GstRtspServer.RTSPAuth()
    if options.user:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(options.user, options.password, token)
    else:
        auth.set_default_token(token)
    if options.certificate:
        auth.set_tls_certificate(
            Gio.TlsCertificate.new_from_files(options.certificate, options.key)
        )
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("publisher", "media.factory.access", True)
    permissions.add_permission_for_role("publisher", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
say(str(server.get_bound_port()))
GLib.MainLoop().run()
