"""A camera that other programs can choose: conferences, recorders, browsers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Protocol, cast

import numpy as np

from streamer.compositing import Picture, SinkComposer
from streamer.config import VirtualCameraSinkConfig
from streamer.errors import MissingDependency, SinkError
from streamer.frame import Frame, Matte, StreamInfo
from streamer.sinks.making import Making
from streamer.sinks.shared.fitting import Fitting

_NOMINAL_FPS = Fraction(30)
"""The rate that the camera announces where the source names none."""
_OBS = "install OBS Studio, whose virtual camera this uses, and start that once"
_ADVICE = {
    "linux": "load one with `sudo modprobe v4l2loopback devices=1 exclusive_caps=1`, of the "
    "package v4l2loopback-dkms"
}
_INSTALL = "pip install 'streamer[virtual-camera]'"


class VirtualCamera(Protocol):
    """The part of `pyvirtualcam.Camera` that is used here."""

    @property
    def device(self) -> str:
        """The name by which other programs see it."""
        ...

    def send(self, frame: Picture) -> None:
        """Show a picture: (H, W, 3) uint8 BGR, C-contiguous, in the camera's size. Never waits."""
        ...

    def close(self) -> None:
        """Remove the camera."""
        ...


MakeCamera = Callable[[int, int, float, str | None], VirtualCamera]
"""
Makes a camera from width, height, frames per second and device: the first that is free when None.

Raises RuntimeError or ValueError where there is none.
"""


def make_camera(width: int, height: int, fps: float, device: str | None) -> VirtualCamera:
    """
    Make a camera with pyvirtualcam.

    Raises:
        MissingDependency: the package is not installed.
        RuntimeError, ValueError: there is no such device, or it does not take the size.
    """
    pyvirtualcam = _package()
    made = pyvirtualcam.Camera(width, height, fps, fmt=pyvirtualcam.PixelFormat.BGR, device=device)
    return cast("VirtualCamera", made)


def _package() -> Any:
    try:
        import pyvirtualcam
    except ImportError as error:
        raise MissingDependency(f"a virtual camera needs pyvirtualcam: {_INSTALL}") from error
    return pyvirtualcam


def make(config: VirtualCameraSinkConfig, making: Making) -> VirtualCameraSink:
    """The sink that *config* asks for; see `Making`."""
    return VirtualCameraSink(making.composer(config), device=config.device, fps=config.fps)


class VirtualCameraSink:
    """
    Shows the composed picture of each frame as a camera, in the size that the stream begins with.
    A picture of another size is scaled to fit. Frames come at the stream's own pace.

    Args:
        composer: makes the picture, in BGR: a camera has no alpha.
        device: such as `/dev/video10`; the first that is free when None.
        fps: the rate that the camera announces; the source's when None.
        make: makes the camera.
    """

    name = "virtual_camera"

    def __init__(
        self,
        composer: SinkComposer,
        *,
        device: str | None = None,
        fps: float | None = None,
        make: MakeCamera = make_camera,
    ) -> None:
        self._composer = composer
        self._device = device
        self._fps = fps
        self._make = make
        self._camera: VirtualCamera | None = None
        self._fitting: Fitting | None = None
        self._shown_as: str | None = None
        self._frames = 0

    def prepare(self) -> None:
        """
        Check that the package is installed, before the source is opened.

        Raises:
            MissingDependency: it is not installed.
        """
        if self._make is make_camera:
            _package()

    def open(self, info: StreamInfo) -> None:
        """
        Make the camera.

        Raises:
            MissingDependency: the package is not installed.
            SinkError: there is no device for it; says how to get one.
        """
        width, height = self._composer.size(info.width, info.height)
        fps = self._fps or float(info.fps or _NOMINAL_FPS)
        try:
            self._camera = self._make(width, height, fps, self._device)
        except (RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            advice = _ADVICE.get(sys.platform, _OBS)
            raise SinkError(f"virtual camera: {reason}: {advice}") from error
        self._shown_as = self._camera.device
        self._fitting = Fitting(np.empty((height, width, 3), np.uint8))

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Show one picture; *frame* and *matte* are borrowed until this returns.

        Raises:
            SinkError: the camera no longer takes pictures.
        """
        assert self._camera is not None  # noqa: S101 - written after open
        assert self._fitting is not None  # noqa: S101 - written after open
        picture = self._composer.picture_of(frame, matte)
        self._fitting.draw(picture)
        try:
            self._camera.send(self._fitting.out)
        except (RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise SinkError(f"virtual camera {self._shown_as}: {reason}") from error
        self._frames += 1

    def close(self) -> None:
        """Remove the camera. Safe to call twice."""
        self._composer.close()
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def statistics(self) -> dict[str, Any]:
        """`{type, device, frames}`. Thread-safe."""
        return {"type": self.name, "device": self._shown_as, "frames": self._frames}
