"""Changes of a stream while it runs: each is checked as a whole, then made or refused."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial

from streamer.config import Config, revise
from streamer.config.changing import differences, way_of
from streamer.config.together import check_together, placed
from streamer.controls import Applied, Refused
from streamer.engine import Engine, LoadMatting
from streamer.errors import CommandRefused, ConfigError
from streamer.events import ChangeRefused, ModelSwapped
from streamer.loading import load_matting
from streamer.models import User
from streamer.protocols import AdjustableSource, Matting, Sink
from streamer.stream.bounds import Bounds
from streamer.stream.build import MakeSink
from streamer.stream.current import Current, made_of


class Changes:
    """
    Changes a stream's configuration, and makes its engine follow.

    Args:
        current: the configuration and settings that are changed.
        engine: of the same stream.
        of_parts: the stream was made from parts, so its configuration does not describe them.
        fallback: the attribute's first value.
        user: whose turns the model's runs take.
        make_sink: makes further sinks; None: they are fixed.

    Attributes:
        fallback: why the model that runs is a fall-back, if it is one.

    Any thread may call any of it.
    """

    def __init__(
        self,
        current: Current,
        engine: Engine,
        *,
        of_parts: bool,
        fallback: str | None,
        user: User | None = None,
        make_sink: MakeSink | None = None,
    ) -> None:
        self.fallback = fallback
        self._user = user
        self._make_sink = make_sink
        self._current = current
        self._engine = engine
        self._of_parts = of_parts
        self._pending: Mapping[str, object] | None = None
        """The changes whose matting is being loaded; until it runs, no other may be loaded."""

    def apply(self, changes: Mapping[str, object]) -> Applied | Refused:
        """See `Stream.apply`."""
        answer = self._apply(changes)
        if isinstance(answer, Refused):
            self._engine.events.tell(ChangeRefused(answer.key, answer.why))
        return answer

    def load(self, changes: Mapping[str, object]) -> Future[Applied]:
        """
        Make *changes* once the matting that they need runs, without waiting for it.

        Raises:
            CommandRefused: they cannot be made, or another matting is on its way.
        """
        key = _loaded_by(changes)
        try:
            applied = self._load(changes)
        except CommandRefused as error:
            self._engine.events.tell(ChangeRefused(key, str(error)))
            raise

        def tell(future: Future[Applied]) -> None:
            if (failure := future.exception()) is not None:
                self._engine.events.tell(ChangeRefused(key, str(failure)))

        applied.add_done_callback(tell)
        return applied

    def use(self, load: LoadMatting) -> Future[None]:
        """See `Stream.use`."""
        try:
            return self._engine.use(load)
        except RuntimeError as error:
            raise CommandRefused(str(error)) from error

    def _apply(self, changes: Mapping[str, object]) -> Applied | Refused:
        while True:
            before = self._current.config
            wanted = self._bounds().changed(before, changes)
            if isinstance(wanted, Refused):
                return wanted
            if wanted == before:
                return Applied(self._current.settings.number)
            if _needs_matting(before, wanted):
                return self._apply_loaded(changes)
            if wanted.sinks != before.sinks:
                return self._apply_sinks(changes)
            # Opening a background takes time, hence without the lock: has anything changed since?
            with self._current.lock:
                if self._current.config is not before:
                    continue
                if (refused := self._beside_pending(wanted, changes)) is not None:
                    return refused
                number = self._make(wanted)
            self._engine.events.tell(made_of(number, before, wanted))
            return Applied(number)

    def _apply_sinks(self, changes: Mapping[str, object]) -> Applied | Refused:
        """As `apply`, for changes that need other sinks."""
        key = next(key for key in changes if way_of(key) == "sinks")
        with self._current.lock:
            if self._pending is not None:
                return Refused(key, changes[key], f"{key}: another change is still under way")
            self._pending = changes
        try:
            before = self._current.config
            wanted = self._bounds().changed(before, changes)
            if isinstance(wanted, Refused):
                return wanted
            self._change_sinks(before, wanted)
            with self._current.lock:
                # Others may have changed other settings meanwhile.
                before = self._current.config
                wanted = revise(before, changes)
                number = self._make(wanted)
        except Exception as error:  # whatever a sink raises
            return Refused(key, changes[key], str(error) or type(error).__name__)
        finally:
            self._pending = None
        self._engine.events.tell(made_of(number, before, wanted))
        return Applied(number)

    def _change_sinks(self, before: Config, wanted: Config) -> None:
        """Make and end sinks; if a new one cannot be opened, those of *before* go on."""
        present = self._engine.sinks
        sinks = self._sinks(before, wanted, present)
        if not _share_something(before, wanted):
            self._engine.change_sinks(sinks, ending_first=False)
            return
        try:
            self._engine.change_sinks(sinks, ending_first=True)
        except Exception:
            self._bring_back(before, present)
            raise

    def _bring_back(self, before: Config, present: Mapping[int, Sink]) -> None:
        """Have the sinks of *before* again, which were *present*; else the stream fails."""
        try:
            kept = self._engine.sinks
            places = {number: place for place, number in enumerate(present)}
            configs = [before.sinks[places[number]] for number in kept]
            there = before.model_copy(update={"sinks": configs})
            self._engine.change_sinks(self._sinks(there, before, kept), ending_first=True)
        except Exception as error:  # without its sinks it must not go on as if all were well
            self._engine.fail("sinks", error)

    def _sinks(
        self, before: Config, wanted: Config, present: Mapping[int, Sink]
    ) -> dict[int, Sink]:
        """The sinks of *wanted*: those that are *present*, as *before* says, and new ones."""
        assert self._make_sink is not None  # noqa: S101 - else its bounds refuse other sinks
        left = list(zip(before.sinks, present.items(), strict=True))
        stay: dict[int, tuple[int, Sink]] = {}
        for place, config in enumerate(wanted.sinks):
            same = next((one for one in left if one[0] == config), None)
            if same is not None:
                left.remove(same)
                stay[place] = same[1]
        taken = {number for number, _ in stay.values()}
        free = (number for number in itertools.count() if number not in taken)
        sinks: dict[int, Sink] = {}
        for place in range(len(wanted.sinks)):
            number, sink = stay.get(place) or (next(free), None)
            sinks[number] = sink or self._make_sink(wanted, place, number)
        return sinks

    def _apply_loaded(self, changes: Mapping[str, object]) -> Applied | Refused:
        """As `apply`, for changes that need another matting."""
        try:
            return self._load(changes).result()
        except Exception as error:
            key = _loaded_by(changes)
            return Refused(key, changes[key], str(error))

    def _load(self, changes: Mapping[str, object]) -> Future[Applied]:
        with self._current.lock:
            if self._pending is not None:
                raise CommandRefused("another model is still on its way")
            self._pending = changes
        fallback: str | None = None

        def load(wanted: Config) -> Matting:
            nonlocal fallback
            live = wanted.source.is_live
            loaded, fallback = load_matting(wanted, live=live, user=self._user)
            return loaded

        # A future of its own, done after `config` is replaced: the engine's is done before that.
        applied = Future[Applied]()
        applied.set_running_or_notify_cancel()

        def finish(future: Future[None]) -> None:
            try:
                future.result()
                with self._current.lock:
                    before = self._current.config
                    # Others may have changed other settings while it was loaded.
                    now = revise(before, changes)
                    number = self._make(now)
                    self.fallback, self._pending = fallback, None
            except BaseException as error:  # whoever waits must learn of any
                self._pending = None
                applied.set_exception(error)
                return
            self._engine.events.tell(ModelSwapped(now.model.name, now.matting.mode))
            self._engine.events.tell(made_of(number, before, now))
            applied.set_result(Applied(number))

        try:
            wanted = self._bounds().changed(self._current.config, changes)
            if isinstance(wanted, Refused):
                raise CommandRefused(wanted.why)
            self.use(partial(load, wanted)).add_done_callback(finish)
        except BaseException:
            self._pending = None
            raise
        return applied

    def _make(self, wanted: Config) -> int:
        """Replace the configuration by *wanted*; returns the change's number. Hold the lock."""
        before = self._current.config
        number = self._current.replace(wanted)
        if wanted.source != before.source:
            if self._engine.connects:
                self._engine.playback.reopen()
            elif isinstance(self._engine.source, AdjustableSource):
                self._engine.source.adjust(wanted.source)
        return number

    def _beside_pending(self, wanted: Config, changes: Mapping[str, object]) -> Refused | None:
        """Refuse *wanted* if the change that is being loaded would not fit it; else None."""
        if self._pending is None:
            return None
        try:
            revise(wanted, self._pending)
        except ConfigError as error:
            key = next(iter(changes))
            why = f"{key}: does not go with a change that is under way: {error}"
            return Refused(key, changes[key], why)
        return None

    def _bounds(self) -> Bounds:
        return Bounds(
            of_parts=self._of_parts,
            crops=self._current.config.preprocess.output == "cropped",
            connects=self._engine.connects,
            size=self._engine.size,
            makes_sinks=self._make_sink is not None,
        )


def _share_something(before: Config, wanted: Config) -> bool:
    """Whether a sink that comes needs a file or address of one that goes."""
    gone = [sink for sink in before.sinks if sink not in wanted.sinks]
    come = [sink for sink in wanted.sinks if sink not in before.sinks]
    if not (gone and come):
        return False
    both = before.model_copy(update={"sinks": [*gone, *come]})
    try:
        check_together(placed({both.name: both}, alone=True), both.files_read)
    except ValueError:
        return True
    return False


def _needs_matting(before: Config, wanted: Config) -> bool:
    """Whether model and matting have to be loaded again."""
    return any(way_of(key) == "matting" for key in differences(before, wanted))


def _loaded_by(changes: Mapping[str, object]) -> str:
    """The key to blame if the matting cannot be loaded: one of the model's, if there is one."""
    keys = [key for key in changes if way_of(key) == "matting"] or list(changes) or ["model"]
    return next((key for key in keys if key.partition(".")[0] == "model"), keys[0])
