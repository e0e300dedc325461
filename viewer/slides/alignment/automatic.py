"""Alignment without landmarks: guesses on overviews, then small places at finer and finer scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from viewer.geometry import Box
from viewer.plurals import percent
from viewer.slides.alignment.coarse import guesses
from viewer.slides.alignment.patches import Agreement, refined
from viewer.slides.alignment.pictures import KINDS, Feature, feature, resized, structure
from viewer.slides.alignment.transform import (
    Affine,
    AlignedSlide,
    AlignmentError,
    SlideAlignment,
    checked,
)
from viewer.slides.region import Beyond, read_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from viewer.slides.alignment.pictures import Kind
    from viewer.slides.source import RgbImage, SlideSource

_OVERVIEW_PX, _SMALL_OVERVIEW_PX = 128, 64
"""The latter where many scales are tried."""
_SIDES_PX = (256, 512, 1024, 2048)
_FINE_UM = 4.0
"""Finer pixels than these need no finer picture: the residual is far below what is asked for."""
_GUESSES, _FOLLOWED = 10, 2
_REACH_PX, _NEAR_REACH_PX = 16, 8
_TOLERANCE_PX = 2.0
LEAST_SHARE, LEAST_MATCHED, _LEAST_SPREAD = 0.25, 12, 0.5
_OTHER_SCALES = tuple(2 ** (k / 4) for k in range(-5, 6))
_USUAL_SCALES = (1.0,)
_MOST_STRETCH = 1.25
_LEAST_CONTRAST = 0.02


class SlideOverview(msgspec.Struct, frozen=True):
    """A whole slide, small.

    Attributes
    ----------
    picture
        The longer side is at most `OVERVIEW_PX`.
    """

    slide: AlignedSlide
    picture: RgbImage


OVERVIEW_PX = _SIDES_PX[-1]


def overview_of(source: SlideSource, mpp_um: tuple[float, float] | None) -> SlideOverview:
    """Read a slide small, with square pixels where its own are oblong; for worker threads.

    Raises
    ------
    SlideError
        Tiles cannot be read, or the file is another by now.
    """
    base = source.levels[0]
    slide = AlignedSlide(source.info.identity, base.width_px, base.height_px, mpp_um)
    width_um, height_um = _extent(slide)
    longest = min(OVERVIEW_PX, max(base.width_px, base.height_px))
    k = longest / max(width_um, height_um)
    size = max(1, round(width_um * k)), max(1, round(height_um * k))
    box = Box(0, 0, base.width_px, base.height_px)
    return SlideOverview(slide, read_region(source, box, *size, Beyond.WHITE))


def align_automatically(
    source: SlideOverview,
    target: SlideOverview,
    on_progress: Callable[[float], object] = lambda _: None,
) -> SlideAlignment:
    """Return where `source` lies on `target`.

    Parameters
    ----------
    on_progress
        Is given the share done, 0 to 1; what it raises ends the work.

    Raises
    ------
    AlignmentError
        They cannot be aligned surely; the sentence has the figure.
    """
    here, there = _Pyramid(source), _Pyramid(target)
    if here.is_empty or there.is_empty:
        raise AlignmentError(_refusal(None))
    has_scale = source.slide.mpp_um is not None and target.slide.mpp_um is not None
    best: _Found | None = None
    searches = [_USUAL_SCALES, _OTHER_SCALES] if has_scale else [_OTHER_SCALES]
    for index, scales in enumerate(searches):
        step = 1 / len(searches)
        for done, kind in enumerate(KINDS):
            share = step * (index + done / len(KINDS))
            found = _search(here, there, kind, scales, lambda share=share: on_progress(share))
            if found is not None and (best is None or found.agreement.share > best.agreement.share):
                best = found
        if best is not None and best.is_sure:
            break
    on_progress(1.0)
    if best is None or not best.is_sure:
        raise AlignmentError(_refusal(best))
    return best.alignment


class _Found(msgspec.Struct, frozen=True):
    agreement: Agreement
    alignment: SlideAlignment
    is_sure: bool


class _Pyramid:
    """An overview at several sizes, in both kinds."""

    def __init__(self, overview: SlideOverview) -> None:
        self.slide = overview.slide
        self._tissue = structure(overview.picture)
        self.side_px = max(self._tissue.shape)
        self.is_empty = float(self._tissue.std()) < _LEAST_CONTRAST
        self._made: dict[tuple[tuple[int, int], Kind], Feature] = {}

    def at(self, unit_per_px: float, kind: Kind) -> tuple[Feature, Affine]:
        """Return the picture with pixels of so many µm, and the map from level 0 to them."""
        width, height = _extent(self.slide)
        size = max(8, round(width / unit_per_px)), max(8, round(height / unit_per_px))
        if (size, kind) not in self._made:
            self._made[size, kind] = feature(resized(self._tissue, size), kind)
        to_px = Affine.scaling(size[0] / self.slide.width_px, size[1] / self.slide.height_px)
        return self._made[size, kind], to_px


def _search(
    here: _Pyramid,
    there: _Pyramid,
    kind: Kind,
    scales: Iterable[float],
    on_step: Callable[[], object],
) -> _Found | None:
    """Return the best map for one kind of picture; None where nothing agrees at all."""
    ratio = max(_extent(there.slide)) / max(_extent(here.slide))
    known = here.slide.mpp_um is not None and there.slide.mpp_um is not None
    # Without scales the slides are taken to show as much, and scales are tried round that.
    factor = 1.0 if known else ratio
    longest = max(max(_extent(here.slide)), max(_extent(there.slide)) / factor)
    scale_list = list(scales)
    is_wide = len(scale_list) > len(_USUAL_SCALES)
    unit = longest / (_SMALL_OVERVIEW_PX if is_wide else _OVERVIEW_PX)
    picture_here, here_px = here.at(unit, kind)
    picture_there, there_px = there.at(unit * factor, kind)
    step_deg = 10.0 if is_wide else 5.0
    first = guesses(picture_here, picture_there, scale_list, _GUESSES, step_deg, on_step)
    maps = [there_px.inverse.after(each.affine).after(here_px) for each in first]
    found: _Found | None = None
    for side_px in _SIDES_PX:
        unit = longest / side_px
        if (
            side_px > _SIDES_PX[0]
            and unit * side_px > 0
            and side_px > 2 * max(here.side_px, there.side_px)
        ):
            break
        at_level: list[_Found] = []
        for each in maps:
            on_step()
            is_fine = side_px >= _SIDES_PX[1]
            at_level.append(_at_level(here, there, kind, each, unit, is_affine=is_fine))
        at_level.sort(key=lambda each: -each.agreement.matched * each.agreement.share)
        if not at_level:
            return found
        best = at_level[0]
        if found is not None and found.is_sure and not best.is_sure:
            break  # sections differ in what is that small: the coarser map holds
        found = best
        maps = [each.alignment.affine for each in at_level[:_FOLLOWED]]
        if best.is_sure and unit * _scale_of(here) < _FINE_UM and side_px >= _SIDES_PX[2]:
            break
    return found


def _at_level(
    here: _Pyramid,
    there: _Pyramid,
    kind: Kind,
    affine: Affine,
    unit: float,
    *,
    is_affine: bool,
) -> _Found:
    """Return what small places at a scale make of a map of level-0 pixels."""
    picture_here, here_px = here.at(unit, kind)
    # Both at the same scale on screen, whatever the slides say of theirs.
    own = _unit_there(affine, here, there, unit)
    picture_there, there_px = there.at(own, kind)
    found = there_px.after(affine).after(here_px.inverse)
    agreement = Agreement(found, 0, 0, 0.0, 0.0)
    for reach_px in (_REACH_PX, _NEAR_REACH_PX) if is_affine else (_REACH_PX,):
        agreement = refined(
            picture_here,
            picture_there,
            agreement.affine,
            reach_px,
            _TOLERANCE_PX,
            is_affine=is_affine,
        )
    level0 = there_px.inverse.after(agreement.affine).after(here_px)
    return _judged(here.slide, there.slide, agreement, level0, own)


def _unit_there(affine: Affine, here: _Pyramid, there: _Pyramid, unit: float) -> float:
    """Return how large pixels of `there` are to be, so that they match those of `here`."""
    own_here, own_there = _pixel(here.slide), _pixel(there.slide)
    return unit / own_here * math.sqrt(abs(affine.determinant)) * own_there


def _judged(
    source: AlignedSlide,
    target: AlignedSlide,
    agreement: Agreement,
    affine: Affine,
    unit: float,
) -> _Found:
    is_sure = (
        agreement.share >= LEAST_SHARE
        and agreement.matched >= LEAST_MATCHED
        and agreement.spread >= _LEAST_SPREAD
        and _stretch(affine, source, target) <= _MOST_STRETCH
    )
    alignment = SlideAlignment(
        source,
        target,
        checked(affine, source, target) if is_sure else affine,
        "automatic",
        agreement.miss_px * unit,
        agreement.matched,
        agreement.tried,
    )
    return _Found(agreement, alignment, is_sure)


def _refusal(best: _Found | None) -> str:
    if best is None or best.agreement.tried < LEAST_MATCHED:
        return "The slides have too little tissue in common to be aligned: mark landmarks."
    agreement = best.agreement
    return (
        f"The slides cannot be aligned surely: {agreement.matched} of {agreement.tried} places "
        f"agree ({percent(agreement.share)}; {percent(LEAST_SHARE)} are needed). Mark landmarks if "
        "they are of the same tissue."
    )


def _extent(slide: AlignedSlide) -> tuple[float, float]:
    """Return width and height in µm; in level-0 pixels where the scale is unknown."""
    x, y = slide.mpp_um or (1.0, 1.0)
    return slide.width_px * x, slide.height_px * y


def _pixel(slide: AlignedSlide) -> float:
    x, y = slide.mpp_um or (1.0, 1.0)
    return math.sqrt(x * y)


def _scale_of(pyramid: _Pyramid) -> float:
    """Return 1 where lengths are µm; else what makes any length long."""
    return 1.0 if pyramid.slide.mpp_um is not None else math.inf


def _stretch(affine: Affine, source: AlignedSlide, target: AlignedSlide) -> float:
    """Return by how much a map stretches one way more than the other, oblong pixels aside."""
    import numpy as np

    sx, sy = source.mpp_um or (1.0, 1.0)
    tx, ty = target.mpp_um or (1.0, 1.0)
    linear = np.array(
        [[affine.a * tx / sx, affine.b * tx / sy], [affine.c * ty / sx, affine.d * ty / sy]]
    )
    large, small = np.linalg.svd(linear, compute_uv=False).tolist()
    return large / max(small, 1e-12)
