"""Examples for the reference: parts of configuration files, each of them valid."""

from __future__ import annotations

EXAMPLES: dict[str, str] = {
    "A whole file": """\
name: desk
source:
  type: usb
model:
  name: auto
matting:
  mode: tracked
compose:
  background: blur
sinks:
  - type: display
    layout: composite
  - type: record
    path: "out/{stream}-{start:%Y%m%d-%H%M%S}.mp4"
    panels: [source, composite]
""",
    "source: usb": """\
source:
  type: usb
  device: 0
  width: 1280
  height: 720
  fps: 30
""",
    "source: rtsp": """\
source:
  type: rtsp
  url: rtsp://camera/stream
  username: ${CAMERA_USER:-viewer}
  password: ${CAMERA_PASSWORD:-}
  reconnect:
    max_attempts: 20
    stall_s: 5
""",
    "source: file": """\
source:
  type: file
  path: talk.mp4
  start_s: 10
  duration_s: 60
""",
    "source: images": """\
source:
  type: images
  path: shots/*.png
  order: time
  loop: true
""",
    "source: synthetic": """\
source:
  type: synthetic
  width: 640
  height: 360
  frames: 100
""",
    "preprocess": """\
preprocess:
  roi: [0.25, 0.1, 0.5, 0.9]        # or several: [[0, 0, 640, 720], [800, 0, 400, 720]]
  max_side: 960
  blur: {kind: median, size_px: 5}
  hsv:
    mode: drop
    ranges:
      - {hue: [100, 140], saturation: [0.4, 1]}
""",
    "model": """\
model:
  name: isnet
  precision: int8
  providers: [cpu]
  threads: 4
""",
    "model.contract": """\
model:
  name: models/my-matting.onnx
  contract:
    mean: [0.485, 0.456, 0.406]
    std: [0.229, 0.224, 0.225]
    logits: true
""",
    "matting": """\
matting:
  mode: tracked
  effort: balanced
  delay_frames: 4
""",
    "refine": """\
refine:
  band: [0.1, 0.9]
  min_fragment: 0.002
  fragment_frames: 5
  fill_holes: 0.002
  grow_px: -1
  feather_px: 2
""",
    "compose": """\
compose:
  cutout: rgba
  background: {type: image, path: beach.jpg}
  colours: clean
  despill: {colour: green}
  overlay: {colour: "#ff8800", opacity: 0.4}
""",
    "standby": """\
standby:
  show: card
  text: "Camera 2: {state}"
""",
    "sinks: display": """\
sinks:
  - type: display
    layout: grid
    panels: [source, mask, cutout, composite]
    tile: [640, 360]
    labels: true
""",
    "sinks: record": """\
sinks:
  - type: record
    path: out/subject.mov              # prores4444: holds an alpha
    layout: cutout
compose:
  cutout: rgba
""",
    "sinks: rtsp": """\
sinks:
  - type: rtsp
    serve: rtsp://127.0.0.1:8554/masked
    layout: composite
    bitrate_kbps: 4000
""",
    "sinks: images": """\
sinks:
  - type: images
    path: "out/{stream}"
    when: subject
    absent_s: 5
    format: jpeg
    layout: composite
    names: timestamp
    limit: 1000
    limit_age_s: 86400
""",
    "sinks: pipe": """\
sinks:
  - type: pipe
    path: "-"
    layout: composite
    format: y4m
""",
    "sinks: virtual_camera": """\
sinks:
  - type: virtual_camera
    device: /dev/video10
""",
    "sinks: page": """\
sinks:
  - type: page
    layout: composite
    quality: 20
""",
    "sinks: discard": """\
sinks:
  - type: discard
    layout: cutout
""",
    "web": """\
web:
  listen: 0.0.0.0:8443
  password: ${PAGE_PASSWORD}
  certificate: page.pem
  private_key: page.key
""",
    "needs": """\
needs:
  labels: {site: north}
  weight: 2
""",
    "pipeline": """\
pipeline:
  ring_capacity: 2
  sink_queue: 8
""",
}
"""By the heading of the page that they stand under."""
