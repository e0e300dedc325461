"""Which images of a TIFF are levels of larger ones."""

from __future__ import annotations

import bisect
import itertools
import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.slides.readers.tiff.page_tags import sample_kind
from viewer.slides.readers.tiff.same_content import Comparisons, Window, ranges_to_compare
from viewer.slides.remote.ranged import RangedBytes

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from viewer.slides.readers.tiff.files import TiffFiles
    from viewer.slides.readers.tiff.layout import TiffImage, TiffLevel

REDUCED = 1
"""Bit of the tag NewSubfileType."""

ASPECT_TOLERANCE = 0.01
_OTHER_PICTURES = ("label", "macro")
"""Names of pictures that show something else than the slide's tissue."""

_ROUNDING = 1e-9
_UNCOMPARED = (
    "This file holds too many images of one shape to compare all: some may be levels of others."
)


def with_levels(images: Sequence[TiffImage], files: TiffFiles) -> list[TiffImage]:
    """Join images that are levels of a larger one to it."""
    by_size = sorted(images, key=lambda image: -image.levels[0].area)
    if isinstance(files.main, RangedBytes):
        _expect_comparisons(by_size, files, files.main)
    joined: list[TiffImage] = []
    shapes = _Shapes()
    comparisons = Comparisons()
    for image in by_size:
        is_undecided = not comparisons.are_spent or _is_flagged(image)
        places = shapes.that_may_hold(image) if is_undecided else []
        fitting = (place for place in places if _fits(joined[place], image))
        index = _place_of(image, joined, fitting, files, comparisons)
        if index is None:
            shapes.add(image, len(joined))
            joined.append(image)
            continue
        larger = joined[index]
        levels = sorted((*larger.levels, *image.levels), key=lambda level: -level.area)
        joined[index] = replace(
            larger,
            levels=tuple(levels),
            directory=min(larger.directory, image.directory),
            optics=larger.optics,
        )
    if comparisons.are_spent:
        joined = [replace(image, hidden=(*image.hidden, _UNCOMPARED)) for image in joined]
    return joined


class _Shapes:
    """Finds the images of which another may be a level, without a look at all of thousands."""

    def __init__(self) -> None:
        self._by_kind: dict[Hashable, list[tuple[float, tuple[int, int]]]] = {}
        """Aspect ratio, as a logarithm, and size of the finest levels, sorted."""
        self._places: dict[Hashable, list[int]] = {}

    def add(self, image: TiffImage, place: int) -> None:
        """Note an image, which stands at `place` in the caller's list."""
        kind, (width, height) = _kind(image), image.levels[0].size_px
        places = self._places.setdefault((kind, width, height), [])
        if not places:
            shapes = self._by_kind.setdefault(kind, [])
            bisect.insort(shapes, (math.log(width / height), (width, height)))
        places.append(place)

    def that_may_hold(self, image: TiffImage) -> list[int]:
        """Return the places of larger images of the same kind and shape, in order."""
        kind, (width, height) = _kind(image), image.levels[0].size_px
        slack = _slack(image.levels[0], _tolerance(image))
        shapes, aspect = self._by_kind.get(kind, []), math.log(width / height)
        most = -math.log1p(-slack) + _ROUNDING if slack < 1 else math.inf
        first = bisect.bisect_left(shapes, (aspect - most, (0, 0)))
        last = bisect.bisect_left(shapes, (aspect + most, (0, 0)), first)
        return sorted(
            place
            for _, size in shapes[first:last]
            if size[0] > width and size[1] > height
            for place in self._places[(kind, *size)]
        )


def _expect_comparisons(by_size: Sequence[TiffImage], files: TiffFiles, main: RangedBytes) -> None:
    """Fetch at once what the comparisons of levels will read, each with the next larger one."""
    wanted: list[tuple[int, int]] = []
    for larger, image in itertools.pairwise(by_size):
        finest, level = larger.levels[0], image.levels[0]
        if not level.page.subfiletype & REDUCED and is_reduced(finest, level, ASPECT_TOLERANCE):
            wanted += ranges_to_compare(_window(finest, files), _window(level, files))
    main.expect(wanted)


def _fits(larger: TiffImage, image: TiffImage) -> bool:
    """Return whether an image may be a level of a larger one, by its shape and name."""
    finest, level = larger.levels[0], image.levels[0]
    if any(known.size_px == level.size_px for known in larger.levels):
        return False
    if image.plain_name in _OTHER_PICTURES and larger.plain_name != image.plain_name:
        return False  # whatever its tag says, and of whatever shape it is
    return is_reduced(finest, level, _tolerance(image))


def _place_of(
    image: TiffImage,
    joined: Sequence[TiffImage],
    fitting: Iterable[int],
    files: TiffFiles,
    comparisons: Comparisons,
) -> int | None:
    """Return which of the images that an image fits it is a level of; None where of none.

    One that the file itself calls a smaller image is believed, but not of which it is one.
    """

    def shows_the_same(place: int) -> bool:
        # The nearest finer level is the cheapest to compare with.
        finer = (known for known in joined[place].levels if known.area > image.levels[0].area)
        nearest = min(finer, key=lambda known: known.area)
        return comparisons.shows_the_same(_window(nearest, files), _window(image.levels[0], files))

    if not _is_flagged(image):
        return next(filter(shows_the_same, fitting), None)
    places = [*fitting]
    if len(places) < 2:
        return next(iter(places), None)
    same = next(filter(shows_the_same, places), None)
    if same is not None:
        return same
    # Where there is nothing to compare, such as glass alone, levels follow their image.
    before = (place for place in places if joined[place].directory < image.directory)
    return max(before, key=lambda place: joined[place].directory, default=places[0])


def _is_flagged(image: TiffImage) -> bool:
    """Return whether the file itself says that an image is a smaller one of another."""
    return bool(image.levels[0].page.subfiletype & REDUCED)


def _tolerance(image: TiffImage) -> float:
    return (5 if _is_flagged(image) else 1) * ASPECT_TOLERANCE


def _kind(image: TiffImage) -> Hashable:
    """Return what an image and its levels have in common beside their shape."""
    first, stack = image.levels[0], image.stack
    counts = len(stack.channels), stack.z_count, stack.t_count
    return len(first.pages), counts, *sample_kind(first.page)


def _window(level: TiffLevel, files: TiffFiles) -> Window:
    return Window(level.page, files)


def is_reduced(finest: TiffLevel, level: TiffLevel, tolerance: float) -> bool:
    """Return whether the shapes fit as levels of one image, with samples of the same kind."""
    page, reduced = finest.page, level.page
    if sample_kind(page) != sample_kind(reduced):
        return False
    across = page.imagewidth / reduced.imagewidth
    down = page.imagelength / reduced.imagelength
    if min(across, down) <= 1.0:
        return False
    return abs(across - down) <= _slack(level, tolerance) * max(across, down)


def _slack(level: TiffLevel, tolerance: float) -> float:
    """Return by which share the ratios of the sides may differ; levels are whole pixels."""
    return max(tolerance, 2 / min(level.size_px))
