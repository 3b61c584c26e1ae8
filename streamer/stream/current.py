"""The present state of a stream: its configuration, and the settings that its frames get."""

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

    Any thread may read it. To replace it, hold `lock` from reading the old state until it is done.

    Args:
        config: the first one.
        events: told when regions have to be put back.
        gives_settings: whether frames get settings before the first change.

    Attributes:
        lock: see above. A thread may take it twice.
        config: the present one.
        settings: those of *config*.
    """

    def __init__(self, config: Config, events: Events, *, gives_settings: bool) -> None:
        self.lock = RLock()
        self.config = config
        self.settings = settings_of(config)
        self._events = events
        self._gives_settings = gives_settings
        self._placed: tuple[PreprocessConfig, int, int] | None = None
        """The latest regions that fitted a frame, and its height and width."""

    def replace(self, wanted: Config) -> int:
        """Make *wanted* the configuration; returns the change's number. Hold the lock."""
        before, self.config = self.config, wanted
        settings = settings_of(wanted, self.settings.number + 1)
        if wanted.preprocess == before.preprocess:
            # What was made of the regions, such as masks, is kept while this is the same object.
            settings = replace(settings, preprocess=self.settings.preprocess)
        self.settings, self._gives_settings = settings, True
        return settings.number

    def take(self, height: int, width: int) -> Settings | None:
        """
        Return the settings of the next frame, of this size; for the matting's thread.

        Regions that were set while frames had another size may lie outside this one. The latest
        regions that fitted a frame then replace them.

        Raises:
            ConfigError: there are no such regions, or those lie outside too.
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
    """The event that tells of a change from *before* to *now*."""
    return ChangeMade(number, tuple(differences(before, now)))
