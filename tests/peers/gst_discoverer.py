"""
How long GStreamer says that files are, in seconds, a line each; run by the system's python3.

    gst_discoverer.py FILE…
"""

import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstPbutils", "1.0")
from gi.repository import Gst, GstPbutils  # noqa: E402

Gst.init(None)
discoverer = GstPbutils.Discoverer.new(10 * Gst.SECOND)
for name in sys.argv[1:]:
    found = discoverer.discover_uri(pathlib.Path(name).resolve().as_uri())
    sys.stdout.write(f"{found.get_duration() / Gst.SECOND}\n")
