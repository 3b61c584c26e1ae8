"""Follow one unbroken stream of frames of one size, and make their mattes from key frames."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np

from streamer.config import MattingConfig
from streamer.core.boxes import Box
from streamer.frame import Alpha, Frame, Matte
from streamer.matting.tracking.asking import Asking
from streamer.matting.tracking.blending import Blender
from streamer.matting.tracking.cadence import Cadence
from streamer.matting.tracking.edges import EdgeMover
from streamer.matting.tracking.effort import Effort, View, effort_of
from streamer.matting.tracking.flow import FlowFinder
from streamer.matting.tracking.held import Held
from streamer.matting.tracking.keys import Key, Lead
from streamer.matting.tracking.looking import Looker
from streamer.matting.tracking.luma import Luma, Shrinker, mean_difference
from streamer.matting.tracking.pace import Pace
from streamer.matting.tracking.plate import Plate
from streamer.matting.tracking.scene import explains_subject, is_blind, is_cut
from streamer.matting.tracking.subject import find_subjects
from streamer.matting.tracking.verdicts import Verdicts
from streamer.matting.tracking.work import Work
from streamer.protocols import Segmenter

_LOST = 18.0
"""If flow leaves more grey levels than this unexplained around subjects, the matte is lost."""
_LIVE_LOST = 36.0
"""The same for a live stream, which also hides unexplained places one by one."""
_LEFT_SHARE = 0.4
"""If less than this share of the subjects' area was carried, they are lost."""
_STALL_S = 5.0
"""A live stream trusts no matte if the model's answer is overdue for so long after a refresh."""
_FADE = 3
"""Frames over which a live stream fades to a new key frame."""
_COARSE_SCALE = 1
"""The finest scale of flow while there is too much to do; see `FlowFinder`."""
_KEYS = 4
"""Keys made at the start: two for the current frame, one that is asked for, one spare."""
_JUMP = 18.0
"""Mean change in grey levels from one frame to the next that is a cut, while no key is known."""
_MISSED_PX, _LEAST_TRUST = 0.5, 1e-3
"""Luma pixels by which flow there and back misses for a key's weight to be 1/e; least weight."""


@dataclass(slots=True)
class Tally:
    """Counts of what tracking has done so far."""

    key_frames: int = 0
    searches: int = 0
    """Key frames for which a look at the whole frame was asked for."""
    scenes: int = 0
    lost: int = 0
    """Frames whose carried matte was not trusted, and left empty."""
    work: Work = field(default_factory=Work)
    """All but the model's."""


class Track:
    """
    Follows the subjects of one stream.

    Args:
        segmenter: borrowed.
        asking: how the model is asked.
        config: intervals.
        frame: the first, for its size and epoch.
        tally: counts what is done.
        live: frames do not wait for the model.
        delay: how many frames are held at most.
        pace: says when flow is to be coarser.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        asking: Asking,
        config: MattingConfig,
        frame: Frame,
        tally: Tally,
        *,
        live: bool,
        delay: int,
        pace: Pace | None = None,
    ) -> None:
        height, width = frame.image.shape[:2]
        self._shape = frame.image.shape
        self._epoch = frame.stamp.epoch
        self._asking = asking
        self._config = config
        self._effort = effort_of(config, live=live)
        self._live = live
        self._delay = delay
        self._tally = tally
        self._shrinker = Shrinker(height, width)
        self._luma_size = self._shrinker.size
        self._finder = FlowFinder(
            self._luma_size, self._effort.finest_scale, self._effort.stride, tally.work
        )
        self._fine, self._pace = self._finder, pace
        self._coarse = (
            FlowFinder(self._luma_size, _COARSE_SCALE, _coarse_stride(self._effort), tally.work)
            if pace
            else None
        )
        self._edges = EdgeMover(self._luma_size) if self._effort.exact else None
        self._blender = Blender((height, width), self._luma_size, tally.work)
        self._spare = [Key((height, width), self._luma_size) for _ in range(_KEYS)]
        self._looker = Looker(segmenter, self._spare[0], self._effort, hasty=live)
        self._cadence = Cadence(config, self._effort, self._looker.price, live=live)
        self._keys: list[Key] = []
        """Of this scene, oldest first."""
        self._asked: Key | None = None
        self._held: deque[Held] = deque()
        self._made: deque[Matte] = deque()
        """Mattes of a scene that has ended, for frames before those that are held."""
        self._idle: list[Held] = []
        self._leads = [Lead(self._luma_size) for _ in range(2)]
        """From the frame whose matte is made to the keys on both sides of it."""
        self._guess: Lead | None = None
        """From the frame that came last to the newest key."""
        self._coming = Lead(self._luma_size)
        """From the same frame to the key that the model works on or just answered for: a guess."""
        self._plate = Plate(self._luma_size) if live else None
        self._small: Alpha = np.empty(self._luma_size, np.uint8)
        self._room: Alpha = np.empty(self._luma_size, np.uint8)
        self._nothing: Alpha = np.zeros(self._luma_size, np.uint8)
        self._least = np.empty(self._luma_size, np.float32)
        self._previous: Luma = np.zeros(self._luma_size, np.uint8)
        self._number = -1
        self._scene = 0
        self._blind = False
        self._alone = 0
        """The last frame whose matte came from a single key."""
        self._turned = 0
        """The frame at which the newest key begins to fade in; early enough if it need not fade."""
        self._sees_newcomer = False
        """Whether the last check of an empty room saw a newcomer; reset when the model is asked."""
        self._verdicts = Verdicts()

    def fits(self, frame: Frame) -> bool:
        """Whether *frame* belongs to this stream."""
        return frame.image.shape == self._shape and frame.stamp.epoch == self._epoch

    def take(self, frame: Frame, alpha: Alpha) -> list[Matte]:
        """See `Matting.matte`."""
        if self._pace is not None:
            self._pace.note_share(self._asking.share)
        is_coarse = self._pace is not None and self._pace.step.coarse
        self._finder = self._coarse if is_coarse and self._coarse else self._fine
        self._hear()
        held = self._hold(frame, alpha)
        if self._is_new_scene(held):
            self._see_the_last()
            self._made.extend([self._make() for _ in range(len(self._held))])
            self._begin_scene(held)
        np.copyto(self._previous, held.luma)
        self._held.append(held)
        if not held.blind and not self._asking.busy and (view := self._view(held)):
            self._ask(held, view)
            self._hear()
        elif self._asked is not None and not self._knows_who():
            self._coming.follow(self._finder, held.luma, self._asked, self._coming)
        mattes = []
        while self._is_ready():
            mattes.append(self._give())
        return mattes

    def flush(self) -> list[Matte]:
        """See `Matting.flush`."""
        self._see_the_last()
        return [self._give() for _ in range(len(self._made) + len(self._held))]

    def _knows_who(self) -> bool:
        """Whether the newest key has a subject."""
        return bool(self._keys) and not self._keys[-1].is_empty

    def _hold(self, frame: Frame, alpha: Alpha) -> Held:
        self._number += 1
        held = self._idle.pop() if self._idle else Held(self._luma_size)
        held.frame, held.alpha, held.number = frame, alpha, self._number
        self._shrinker.shrink(frame.image, held.luma, held.colours)
        self._tally.work.shrunk += 1
        held.blind = is_blind(held.luma)
        return held

    def _is_new_scene(self, held: Held) -> bool:
        """Whether a scene begins with *held*. If needed, finds its lead to the newest key."""
        if not self._number:
            return True
        if held.blind or self._blind:
            return held.blind != self._blind
        if self._cadence.sees_all(held.number):
            return False
        if not self._keys:
            return mean_difference(self._previous, held.luma) > _JUMP
        known = self._live and self._knows_who()
        guess = self._guess
        place = guess.surroundings(self._finder) if known and guess is not None else None
        held.lead.follow(
            self._finder,
            held.luma,
            self._keys[-1],
            guess,
            place,
            self._edges,
            held.colours,
        )
        self._guess = held.lead
        held.strain = held.lead.look_around(self._finder)
        exact = self._effort.exact
        held.astray = held.lead.weigh(self._finder, held.luma, both_ways=True) if exact else 0.0
        near = held.lead.near if known else None
        return is_cut(self._previous, held.luma, held.lead.residual, near)

    def _see_the_last(self) -> None:
        """Ask for a key frame at the end of a scene of a file, as none follows."""
        if self._live or not self._held or not self._knows_who():
            return
        last = self._held[-1]
        if last.blind or last.number == self._keys[-1].number or last.lead.still:
            return
        gap = last.number - self._keys[-1].number
        self._ask(last, "crops" if self._looker.price("crops") <= gap else "alone")
        self._hear()

    def _begin_scene(self, held: Held) -> None:
        self._scene += 1
        self._tally.scenes += 1
        self._blind = held.blind
        self._spare += self._keys
        self._keys.clear()
        self._guess = None
        self._verdicts.forget()
        if self._plate is not None:
            self._plate.forget()
        self._alone = held.number

    def _view(self, held: Held) -> View | None:
        """What the model should look at in this frame; None if it need not."""
        return self._cadence.view(
            held,
            self._keys[-1] if self._keys else None,
            lambda: self._sees_newcomer_in(held),
            denied=self._verdicts.is_denied,
        )

    def _sees_newcomer_in(self, held: Held) -> bool | None:
        """Whether something has come into the empty room; None if unknown."""
        if self._plate is None:
            return None
        self._tally.work.plates += 1
        come = self._plate.has_newcomer(held.colours)
        self._sees_newcomer = bool(come)
        return come

    def _ask(self, held: Held, view: View) -> None:
        # A long delay may span more keys than there are: more are made, and then reused.
        key = self._spare.pop() if self._spare else Key(self._shape[:2], self._luma_size)
        key.number, key.scene, key.pts_s = held.number, self._scene, held.frame.stamp.pts_s
        np.copyto(key.luma, held.luma)
        np.copyto(key.colours, held.colours)
        key.older = self._keys[-1] if self._keys and view != "alone" else None
        if key.older is not None:
            key.older_number = key.older.number
            np.copyto(key.back, held.lead.flow)
        key.has_known, key.was_shown = self._knows_who() and view != "alone", False
        key.has_newcomer, self._sees_newcomer = self._sees_newcomer, False
        key.is_doubted = self._cadence.asked(view, key.pts_s)
        key.knows_closely = key.has_known and not (
            self._keys[-1].is_rough or self._keys[-1].is_coarse
        )
        if key.has_known:
            self._blender.carry(held.lead, self._place(held.lead), key.known)
            held.lead.calm(key.calm)
        if self._plate is not None:
            self._plate.find_room(key.colours, key.room)
        self._tally.searches += view != "crops"
        self._tally.key_frames += 1
        self._asked = key
        self._asking.ask(key, held.frame.image, self._looker, view)

    def _hear(self) -> None:
        """Take the model's answer, if there is one."""
        key = self._asking.answer()
        if key is None or key is not self._asked:
            return  # of another stream
        self._asked = None
        if key.scene != self._scene and not self._goes_on(key):
            self._spare.append(key)
            return
        is_the_room = (key.is_glance or key.is_rough) and self._without_the_room(key)
        self._verdicts.hear(key)
        doubts = is_the_room and key.is_empty and not self._verdicts.is_settled(key)
        self._cadence.heard(key, doubts=doubts)
        guess, self._guess = self._guess, None
        if key.number < self._number:
            if guess is not None and self._knows_who() and guess.leads_to(self._keys[-1]):
                self._coming.guess_across(self._finder, guess, key)
            self._guess = self._coming
        if self._plate is not None and not is_the_room and not self._verdicts.is_unsure(key):
            self._blender.shrink(key.alpha, self._small)
            self._plate.learn(key.colours, self._small, key.near)
        self._keys.append(key)
        oldest = self._held[0].number if self._held else self._number
        coming = self._held[0].number if self._held else self._number + 1
        self._turned = coming if key.number < coming else key.number - _FADE
        while len(self._keys) > 2 and self._keys[1].number <= oldest:
            self._spare.append(self._keys.pop(0))

    def _without_the_room(self, key: Key) -> bool:
        """
        Take what is the empty room out of what a glance took for subjects.

        Returns:
            Whether there was any of it.
        """
        if self._plate is None:
            return False
        self._blender.shrink(key.alpha, self._small)
        others = self._plate.strangers(key.colours, self._small)
        if others is None:
            return False
        key.keep(others)
        if not find_subjects(key.alpha):
            key.blank()
        return True

    def _goes_on(self, key: Key) -> bool:
        """Whether the subject of *key* is still there, though its scene seemed to have ended."""
        if key.is_empty or self._blind:
            return False
        key.older = None
        self._coming.follow(self._finder, self._previous, key, None)
        self._coming.look_around(self._finder)
        return explains_subject(self._previous, self._coming.residual, self._coming.near)

    def _is_ready(self) -> bool:
        """Whether the oldest frame's matte is due; live, all frames wait equally long."""
        waiting = len(self._made) + len(self._held)
        if self._live or not waiting or waiting > self._delay:
            return waiting > self._delay
        if self._made or self._held[0].blind:
            return True
        return bool(self._keys) and self._keys[-1].number >= self._held[0].number

    def _give(self) -> Matte:
        """The matte of the oldest frame."""
        return self._made.popleft() if self._made else self._make()

    def _make(self) -> Matte:
        """The matte of the frame that is held longest."""
        held = self._held.popleft()
        self._idle.append(held)
        age = self._fill(held)
        if age is None:
            held.alpha.fill(0)
        if self._live and self._asked is not None and self._asked.number == held.number:
            np.copyto(self._asked.shown, held.alpha)
            self._asked.was_shown = True
        if age is None:
            return Matte(held.alpha, held.frame.stamp, "empty")
        return Matte(held.alpha, held.frame.stamp, "propagated" if age else "inferred", age)

    def _fill(self, held: Held) -> int | None:
        """Write the alpha of *held*; return its age, or None if it is empty or not trusted."""
        if held.blind or not self._keys or self._is_stalled(held):
            return None
        before = next((key for key in reversed(self._keys) if key.number <= held.number), None)
        after = next((key for key in self._keys if key.number > held.number), None)
        if before is not None and before.number == held.number:
            np.copyto(held.alpha, before.alpha)
            self._alone = held.number
            return None if before.is_empty else 0
        if before is not None and after is not None:
            start = max(before.number, self._alone)
            return self._carry(held, before, after, (held.number - start) / (after.number - start))
        self._alone = held.number
        if before is None:
            return self._carry(held, self._keys[0], None, 1.0)
        place = self._keys.index(before)
        faded = (held.number - self._turned + 1) / _FADE
        return self._carry(held, before, None, faded if self._live and place > 0 else 1.0)

    def _is_stalled(self, held: Held) -> bool:
        """Whether the model has owed a live stream an answer for too long."""
        since_s = held.frame.stamp.pts_s - self._keys[-1].pts_s
        return self._live and since_s > self._config.refresh_s + _STALL_S

    def _carry(self, held: Held, one: Key, two: Key | None, share: float) -> int | None:
        """
        Write the carried alpha of one key, or the mean of two, into *held*; returns as `_fill`.

        *share* is the weight of the second key; without one, how far the first has faded in.
        """
        if one.is_empty and (two is None or two.is_empty):
            return self._show_returned(held, one)
        first = self._lead(held, one, 0)
        strain, place = first.look_around(self._finder), self._place(first)
        second = self._lead(held, two, 1) if two is not None else None
        if second is not None:
            strain = min(strain, second.look_around(self._finder))
            place = place.joined(self._place(second))
        if strain > (_LIVE_LOST if self._live else _LOST):
            if (age := self._show_returned(held, two or one)) is None:
                self._tally.lost += 1
            return age
        if second is None:
            self._blender.carry(first, place, held.alpha, share)
        else:
            leads = (first, second)
            shares = tuple(
                part * _trust(lead.weigh(self._finder, held.luma, both_ways=self._effort.exact))
                for part, lead in zip((1 - share, share), leads, strict=True)
            )
            self._blender.between(leads, (shares[0], shares[1]), place, held.alpha)
        if self._live:
            residual = first.residual
            if second is not None:
                residual = np.minimum(residual, second.residual, out=self._least)
            self._blender.distrust(held.luma, residual, place, held.alpha)
        if self._plate is not None:
            self._blender.shrink(held.alpha, self._small)
            self._tally.work.plates += 1
            gone, came = self._plate.tell(
                held.colours, self._small, (second or first).near, residual
            )
            self._blender.give_and_take(came, gone, held.alpha)
            self._blender.shrink(held.alpha, self._small)
            newest = two or one
            if cv2.countNonZero(self._small) < _LEFT_SHARE * newest.area:
                # The flow has lost the subjects, or the key frame saw only a part of them. What is
                # left may be the room.
                self._plate.find_room(held.colours, self._room)
                self._blender.give_and_take(self._nothing, self._room, held.alpha)
                self._show_returned(held, newest, beside=True)
        return max(1, min(abs(held.number - key.number) for key in (one, two) if key))

    def _show_returned(self, held: Held, key: Key, *, beside: bool = False) -> int | None:
        """
        Write what is not the room, and looks like an earlier subject, into the alpha of *held*.

        Args:
            held: the frame.
            key: the newest.
            beside: keep what is in the alpha already.

        Returns:
            As `_fill`; None if nothing is found, and the alpha is unchanged.
        """
        if self._plate is None or self._verdicts.is_denied:
            return None
        self._tally.work.plates += 1
        # If the model has just seen nobody, only what has come since counts.
        nobody = key.colours if key.is_empty and not key.has_known else None
        if (who := self._plate.returned(held.colours, nobody)) is None:
            return None
        if not beside:
            held.alpha.fill(0)
        self._blender.give_and_take(who, self._nothing, held.alpha)
        return max(1, abs(held.number - key.number))

    def _lead(self, held: Held, key: Key, slot: int) -> Lead:
        """The lead from *held* to *key*."""
        if held.lead.leads_to(key):
            return held.lead
        lead = self._leads[slot]
        newest = self._keys[-1]
        if (
            self._live
            and held.lead.leads_to(newest)
            and newest.older is key
            and newest.leads_back()
        ):
            lead.go_back(self._finder, held.luma, held.lead)
            return lead
        if (
            not lead.leads_to(key)
            and key.leads_back()
            and key.older is not None
            and held.lead.leads_to(key.older)
        ):
            # By way of the key before: it is too far for a search without a guess.
            lead.guess_across(self._finder, held.lead, key)
        lead.follow(self._finder, held.luma, key, lead, None, self._edges, held.colours)
        return lead

    def _place(self, lead: Lead) -> Box:
        """The box of the frame around the subjects; call `Lead.look_around` first."""
        return self._blender.around(lead.near)


def _trust(astray: float) -> float:
    """The weight of a key if flow there and back misses by *astray* pixels."""
    return math.exp(-((astray / _MISSED_PX) ** 2)) + _LEAST_TRUST


def _coarse_stride(effort: Effort) -> int:
    """The stride of the coarse flow: wider if the usual flow is no finer."""
    return 5 if effort.finest_scale < _COARSE_SCALE else 8
