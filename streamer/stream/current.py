"""What a stream is at the moment: its configuration, and the settings that its frames get."""

from __future__ import annotations

import logging
from dataclasses import replace
from threading import RLock

from streamer.config import Config, PreprocessConfig, Settings
from streamer.config.changing import differences
from streamer.errors import ConfigError
from streamer.events import ChangeMade, Events
from streamer.preprocessing import places_in
from streamer.stream.build import settings_of

logger = logging.getLogger("streamer")


class Current:
    """
    The configuration of a running stream, and the settings of its next frame.

    Any thread may read it. Whoever replaces it holds `lock` from reading what was before on.

    Args:
        config: at the beginning.
        events: told where regions have to be put back.
        gives_settings: whether frames get any before the first change.

    Attributes:
        lock: see above. A thread may take it twice.
        config: as it is now.
        settings: those of *config*.
    """

    def __init__(self, config: Config, events: Events, *, gives_settings: bool) -> None:
        self.lock = RLock()
        self.config = config
        self.settings = settings_of(config)
        self._events = events
        self._gives_settings = gives_settings
        self._placed: tuple[PreprocessConfig, int, int] | None = None
        """The latest regions that were in a frame, and its height and width."""

    def replace(self, wanted: Config) -> int:
        """Have *wanted* from now on; returns the change's number. Hold the lock."""
        before, self.config = self.config, wanted
        settings = settings_of(wanted, self.settings.number + 1)
        if wanted.preprocess == before.preprocess:
            # What is made of its regions, as masks, goes on as long as it is the same object.
            settings = replace(settings, preprocess=self.settings.preprocess)
        self.settings, self._gives_settings = settings, True
        return settings.number

    def take(self, height: int, width: int) -> Settings | None:
        """
        The settings of the next frame, of that size; for the matting's thread.

        Regions may be outside of such a frame, if they were set while frames had another size. The
        latest regions that were in a frame then replace them.

        Raises:
            ConfigError: those are outside too.
        """
        while self._gives_settings:
            settings = self.settings
            regions = settings.preprocess
            placed = self._placed
            if placed and placed[0] is regions and placed[1:] == (height, width):
                return settings
            try:
                places_in(regions.regions, width, height)
            except ConfigError as error:
                if placed is None or placed[0] is regions:
                    raise
                places_in(placed[0].regions, width, height)
                with self.lock:
                    if self.settings is not settings:
                        continue
                    before = self.config
                    kept = before.preprocess.model_copy(update={"roi": placed[0].roi})
                    number = self.replace(before.model_copy(update={"preprocess": kept}))
                    made = made_of(number, before, self.config)
                logger.warning("the regions stay as they were: %s", error)
                self._events.tell(made)
            else:
                self._placed = regions, height, width
                return settings
        return None


def made_of(number: int, before: Config, now: Config) -> ChangeMade:
    """The event of that change."""
    return ChangeMade(number, tuple(differences(before, now)))
