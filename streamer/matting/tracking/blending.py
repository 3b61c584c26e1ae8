"""Make one alpha out of two: of two keys, or the model's and the known one."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.core.boxes import Box
from streamer.frame import Alpha
from streamer.matting.tracking.flow import AlphaCarrier, Enlarger, Residual
from streamer.matting.tracking.keys import Lead
from streamer.matting.tracking.luma import Luma
from streamer.matting.tracking.work import Work

_DOUBT = 12.0
"""Grey levels of residual at which a key's weight falls to 1/e."""
_LEAST = 1e-3
_AREA = 5
"""Side of the area that a residual is averaged over."""
_PER_EDGE = 0.6
"""Grey levels of residual that are excused for each level of an edge."""
_TRUSTED, _UNTRUSTED = 12.0, 24.0
"""Grey levels of residual up to which a carried alpha is shown, and from which it is hidden."""
_COARSE = 4
"""A crop and the whole frame are compared in a picture that is this many times smaller."""
_APART = 100
"""Above this difference of alpha, they disagree."""
_THICK = 0.03
"""Share of a crop's longer side: a part that is thinner is an edge."""
_FAILED = 0.5
"""A crop that shows less than this share of what the whole frame shows has lost its subject."""
_CALM_GAIN = 0.2
"""Share of each new estimate's change that a calm place follows."""
_CALM, _MOVED = 20, 80
"""Levels of alpha: a change below the first is calm; one above the second is followed at once."""


class Blender:
    """
    Mixes alphas of one size.

    Args:
        size: (H, W) of the alphas.
        luma_size: (h, w) of the residuals.
        work: counts what is done.
    """

    def __init__(
        self, size: tuple[int, int], luma_size: tuple[int, int], work: Work | None = None
    ) -> None:
        self._work = work or Work()
        self._enlarger = Enlarger(size, luma_size)
        self._carrier = AlphaCarrier(size, luma_size, self._work)
        self._size = (size[1], size[0])
        self._other: Alpha = np.empty(size, np.uint8)
        self._mixed: Alpha = np.empty(size, np.uint8)
        self._small = [np.empty(luma_size, np.float32) for _ in range(2)]
        self._weights = [np.empty(size, np.float32) for _ in range(2)]
        self._kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
        self._trust = np.empty(luma_size, np.uint8)
        self._calm = np.empty(size, np.uint8)
        self._rise: Alpha = np.empty(size, np.uint8)
        self._fall: Alpha = np.empty(size, np.uint8)
        self._gain = _gain_table()

    def around(self, mask: Alpha) -> Box:
        """See `Enlarger.around`."""
        return self._enlarger.around(mask)

    def carry(self, lead: Lead, place: Box, out: Alpha, faded: float = 1.0) -> None:
        """
        Write the alpha of *lead*'s key, carried to the frame, into *place* of *out*; 0 elsewhere.

        *faded*, in 0..1, is the weight of the key's alpha against what was shown before.
        """
        alpha = lead.key.alpha
        if faded < 1 and lead.key.was_shown:
            alpha = self._mixed
            there = self._enlarger.around(lead.key.near).slices
            alpha.fill(0)
            cv2.addWeighted(
                lead.key.shown[there],
                1 - faded,
                lead.key.alpha[there],
                faded,
                0,
                dst=alpha[there],
            )
        if lead.still:
            np.copyto(out, alpha)
        else:
            out.fill(0)
            self._carrier.carry(alpha, lead.way, place, out)

    def between(
        self,
        leads: tuple[Lead, Lead],
        shares: tuple[float, float],
        place: Box,
        out: Alpha,
    ) -> None:
        """
        Write the mean of two keys' alphas, carried to the frame along *leads*, into *out*.

        *shares*, which need not add up to 1, are their weights where both explain the picture
        equally well; a key counts for less where it explains it worse. Call `Lead.weigh` on both
        leads first. Outside *place* the result is 0.
        """
        for lead, alpha in zip(leads, (out, self._other), strict=True):
            self.carry(lead, place, alpha)
            if lead.is_bounded and not place.is_empty:
                reached = self._enlarger.enlarge(lead.reached, place, self._mixed)
                cv2.min(alpha[place.slices], reached, dst=alpha[place.slices])
        for lead, part, small in zip(leads, shares, self._small, strict=True):
            # part * exp(-(residual / doubt)^2): a Gaussian of the photometric error.
            np.multiply(lead.doubt, lead.doubt, out=small)
            np.multiply(small, -1 / _DOUBT**2, out=small)
            np.exp(small, out=small)
            np.add(small, _LEAST, out=small)
            np.multiply(small, part, out=small)
        if place.is_empty:
            return
        self._work.mixed += place.width * place.height / out.size
        one, other = (
            self._enlarger.enlarge(small, place, large)
            for small, large in zip(self._small, self._weights, strict=True)
        )
        here = place.slices
        cv2.blendLinear(out[here], self._other[here], one, other, dst=out[here])

    def distrust(self, luma: Luma, residual: Residual, place: Box, alpha: Alpha) -> None:
        """
        Hide what the flow does not explain in *alpha*, within *place*.

        Edges are excused: a flow that is off by a part of a pixel leaves more unexplained there.

        Args:
            luma: (h, w), of the frame.
            residual: (h, w), what the flow leaves unexplained.
            place: where there is a subject.
            alpha: (H, W); updated.
        """
        if place.is_empty:
            return
        trust = self._trust
        cv2.morphologyEx(luma, cv2.MORPH_GRADIENT, self._kernel, dst=trust)
        cv2.boxFilter(trust, cv2.CV_32F, (_AREA, _AREA), dst=self._small[0])
        np.multiply(self._small[0], _PER_EDGE, out=self._small[0])
        np.add(self._small[0], _UNTRUSTED, out=self._small[0])
        np.subtract(self._small[0], residual, out=self._small[0])
        np.multiply(self._small[0], 255 / (_UNTRUSTED - _TRUSTED), out=self._small[0])
        np.clip(self._small[0], 0, 255, out=self._small[0])
        np.copyto(trust, self._small[0], casting="unsafe")
        if trust[self._enlarger.small(place)].min() == 255:
            return
        large = self._enlarger.enlarge(trust, place, self._other)
        here = place.slices
        cv2.multiply(alpha[here], large, dst=alpha[here], scale=1 / 255)

    def give_and_take(self, came: Alpha, gone: Alpha, alpha: Alpha) -> None:
        """Make *alpha* 255 where *came* is and 0 where *gone* is: both (h, w), of 0 and 255."""
        for mask, is_gone in ((gone, True), (came, False)):
            place = self._enlarger.around(mask)
            if place.is_empty:
                continue
            large = self._enlarger.enlarge(mask, place, self._other)
            here = place.slices
            if is_gone:
                cv2.subtract(alpha[here], large, dst=alpha[here])
            else:
                cv2.max(alpha[here], large, dst=alpha[here])

    def shrink(self, alpha: Alpha, out: Alpha) -> None:
        """Write samples of *alpha*, (H, W), into *out*, (h, w)."""
        cv2.resize(alpha, out.shape[::-1], dst=out, interpolation=cv2.INTER_NEAREST)

    def agree(self, estimate: Alpha, second: Alpha, known: Alpha) -> None:
        """Replace *estimate* by the median of the three, pixel by pixel; overwrites *second*."""
        cv2.min(estimate, second, dst=self._fall)
        cv2.max(estimate, second, dst=second)
        cv2.min(second, known, dst=second)
        cv2.max(self._fall, second, dst=estimate)

    def defer(self, estimate: Alpha, whole: Alpha, place: Box) -> None:
        """
        Take thick parts that only one of a crop and the *whole* frame shows out of *estimate*.

        A crop shows edges better, but context worse. If the crop has lost most of the subject, the
        whole frame's answer replaces such parts instead.

        Args:
            estimate: (H, W), from the crop in *place*; updated.
            whole: (H, W), from the whole frame.
            place: of the frame; not empty.
        """
        here = place.slices
        size = (-(-place.width // _COARSE), -(-place.height // _COARSE))
        gap = cv2.absdiff(estimate[here], whole[here])
        small = cv2.resize(gap, size, interpolation=cv2.INTER_AREA)
        _, apart = cv2.threshold(small, _APART, 255, cv2.THRESH_BINARY)
        thick = max(1, round(_THICK * max(size)))
        kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (thick, thick))
        core = cv2.erode(apart, kernel)
        if not core.any():
            return
        # Each part that has a thick core, all of it, with its rim.
        _, parts = cv2.connectedComponents(apart, connectivity=8)
        told = np.isin(parts, np.unique(parts[core > 0])) & (parts > 0)
        wide = cv2.dilate(told.astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
        large = cv2.resize(wide, (place.width, place.height), interpolation=cv2.INTER_LINEAR)
        failed = estimate[here].sum() < _FAILED * whole[here].sum()
        right = whole[here] if failed else cv2.min(whole[here], estimate[here])
        cv2.copyTo(right, (large > 127).astype(np.uint8), dst=estimate[here])

    def settle(self, estimate: Alpha, known: Alpha, calm: Alpha) -> None:
        """
        Steady *estimate* with what was *known*, where nothing moves.

        Small changes are followed slowly, large ones at once.

        Args:
            estimate: (H, W) uint8 of the model; updated.
            known: (H, W) uint8, carried to this frame.
            calm: (h, w) uint8, not 0 where hardly anything moves; see `Lead.calm`.
        """
        cv2.subtract(estimate, known, dst=self._rise)
        cv2.subtract(known, estimate, dst=self._fall)
        cv2.LUT(self._rise, self._gain, dst=self._rise)
        cv2.LUT(self._fall, self._gain, dst=self._fall)
        cv2.add(known, self._rise, dst=self._rise)
        cv2.subtract(self._rise, self._fall, dst=self._rise)
        cv2.resize(calm, self._size, dst=self._calm, interpolation=cv2.INTER_NEAREST)
        cv2.copyTo(self._rise, self._calm, dst=estimate)


def _gain_table() -> Alpha:
    """By how many levels to follow a change of each number of levels, 0 to 255."""
    change = np.arange(256, dtype=np.float64)
    ramp = np.clip((change - _CALM) / (_MOVED - _CALM), 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.rint(change * (_CALM_GAIN + (1 - _CALM_GAIN) * ramp)).astype(np.uint8)
