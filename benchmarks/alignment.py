"""How far automatic alignments miss, and which pairs of slides they accept.

    python -m benchmarks.alignment SLIDE SLIDE ...

Each slide is aligned with every other, and with turned, mirrored, scaled, restained and cropped
copies of its overview, of which the true map is known. Printed are the median miss of a copy (µm;
pixels where the copy has no pixel size) and what is accepted or refused, with its figure.
"""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

from viewer.geometry import Point
from viewer.slides import open_slide
from viewer.slides.alignment.automatic import SlideOverview, align_automatically, overview_of
from viewer.slides.alignment.transform import Affine, AlignedSlide, AlignmentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PLACES = 300


class Change(msgspec.Struct, frozen=True):
    """What makes a copy of a slide; `cropped` is the share that is cut off each axis."""

    turn_deg: float = 0.0
    scale: float = 1.0
    mirrored: bool = False
    stained: str = "as it is"
    cropped: float = 0.0
    has_scale: bool = True


CHANGES = (
    Change(),
    Change(37.0),
    Change(180.0, mirrored=True),
    Change(213.0, 0.7, mirrored=True),
    Change(91.0, 1.3, stained="channels swapped"),
    Change(15.0, stained="inverted"),
    Change(145.0, 0.8, mirrored=True, stained="darkened", cropped=0.1),
    Change(77.0, 0.6, stained="darkened", cropped=0.2),
    Change(58.0, 0.8, mirrored=True, has_scale=False),
)


def main() -> None:
    """Print a line a copy, then a line a pair of slides."""
    overviews = {name: _overview(Path(name)) for name in sys.argv[1:]}
    for name, overview in overviews.items():
        for change in CHANGES:
            copy, truth = _copied(overview, change)
            try:
                found = align_automatically(overview, copy)
            except AlignmentError as error:
                print(f"{name}: {change}: refused: {error}", flush=True)
                continue
            miss = _median_miss(found.affine, truth, overview, copy)
            unit = "px" if copy.slide.mpp_um is None else "µm"
            print(f"{name}: {change}: misses by {miss:.2f} {unit}; {found.text}", flush=True)
    for (one, here), (other, there) in itertools.combinations(overviews.items(), 2):
        try:
            print(f"{one}, {other}: {align_automatically(here, there).text}", flush=True)
        except AlignmentError as error:
            print(f"{one}, {other}: refused: {error}", flush=True)


def _overview(path: Path) -> SlideOverview:
    source = open_slide(path)
    try:
        source.info.learn_identity()
        return overview_of(source, source.info.optics.mpp_um)
    finally:
        source.close()


def _copied(overview: SlideOverview, change: Change) -> tuple[SlideOverview, Affine]:
    """Return a copy as a slide of its own, and the map from level 0 of one to the other's."""
    picture = Image.fromarray(overview.picture)
    width, height = picture.size
    turn, sign = math.radians(change.turn_deg), -1 if change.mirrored else 1
    cos, sin = change.scale * math.cos(turn), change.scale * math.sin(turn)
    linear = Affine(cos * sign, -sin, 0, sin * sign, cos, 0)
    corners = [linear.map(Point(x, y)) for x in (0, width) for y in (0, height)]
    low = [min(each[axis] for each in corners) for axis in (0, 1)]
    whole = [max(each[axis] for each in corners) - low[axis] for axis in (0, 1)]
    size = tuple(math.ceil(side * (1 - change.cropped)) for side in whole)
    cut = [(side - kept) / 2 for side, kept in zip(whole, size, strict=True)]
    placed = Affine(tx=-low[0] - cut[0], ty=-low[1] - cut[1]).after(linear)
    back = placed.inverse
    made = picture.transform(
        (size[0], size[1]),
        Image.Transform.AFFINE,
        (back.a, back.b, back.tx, back.c, back.d, back.ty),
        Image.Resampling.BICUBIC,
        fillcolor=tuple(int(v) for v in np.median(overview.picture[0], axis=0)),
    )
    slide = overview.slide
    kx, ky = slide.width_px / width, slide.height_px / height
    own = slide.mpp_um if change.has_scale else None
    mpp_um = None if own is None else (own[0] * kx / change.scale, own[1] * ky / change.scale)
    copy = SlideOverview(
        AlignedSlide("copy", made.width, made.height, mpp_um),
        _stained(np.asarray(made), change.stained),
    )
    return copy, placed.after(Affine.scaling(1 / kx, 1 / ky))


def _stained(pixels: NDArray[np.uint8], how: str) -> NDArray[np.uint8]:
    match how:
        case "channels swapped":
            return pixels[..., ::-1].copy()
        case "inverted":
            return 255 - pixels
        case "darkened":
            return (255 * (pixels / 255.0) ** 2.2).astype(np.uint8)
    return pixels


def _median_miss(
    found: Affine, truth: Affine, overview: SlideOverview, copy: SlideOverview
) -> float:
    """Return by how much places on both slides miss, in the copy's µm or pixels."""
    random = np.random.default_rng(1)
    x_um, y_um = copy.slide.mpp_um or (1.0, 1.0)
    misses: list[float] = []
    for x, y in random.uniform(size=(_PLACES, 2)):
        place = Point(x * overview.slide.width_px, y * overview.slide.height_px)
        right, is_at = truth.map(place), found.map(place)
        if 0 <= right.x < copy.slide.width_px and 0 <= right.y < copy.slide.height_px:
            misses.append(math.hypot((is_at.x - right.x) * x_um, (is_at.y - right.y) * y_um))
    return float(np.median(misses))


if __name__ == "__main__":
    main()
