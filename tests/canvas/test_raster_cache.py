"""Pictures in squares: what is shown while they are made anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QColor, QImage, QPainter

from viewer.canvas import raster_cache
from viewer.canvas.layer import Scene
from viewer.canvas.raster_cache import SIDE_PX, RasterCache, RasterGrid
from viewer.geometry import Box, Optics, Point, Size, View

RED, BLUE, GREEN = (QColor(name).rgb() for name in ("red", "blue", "lime"))


class _Painted:
    """A cache of 2 x 2 squares of one color, of which a frame makes one."""

    def __init__(self) -> None:
        self.color = RED
        self.cache = RasterCache(self._make)
        self.picture = QImage(2 * SIDE_PX, 2 * SIDE_PX, QImage.Format.Format_ARGB32_Premultiplied)
        self.view = View(Point(SIDE_PX, SIDE_PX), 1.0, Size(2 * SIDE_PX, 2 * SIDE_PX))

    def _make(self, picture: QImage, _grid: RasterGrid, _square: tuple[int, int]) -> Iterator[bool]:
        picture.fill(self.color)
        yield True

    def frame(self) -> tuple[set[int], bool]:
        """Return the colors of the four squares, and whether there is more to be made."""
        self.picture.fill(0)
        scene = Scene(self.view, Box(0, 0, 4 * SIDE_PX, 4 * SIDE_PX), Optics(), 1.0)
        with QPainter(self.picture) as painter:
            is_unfinished = self.cache.paint(painter, scene)
        places = [(x * SIDE_PX + 9, y * SIDE_PX + 9) for x in (0, 1) for y in (0, 1)]
        return {self.picture.pixel(x, y) for x, y in places}, is_unfinished

    def finish(self) -> set[int]:
        while True:
            colors, is_unfinished = self.frame()
            if not is_unfinished:
                return colors


@pytest.fixture
def painted(qapp: object, monkeypatch: pytest.MonkeyPatch) -> _Painted:
    monkeypatch.setattr(raster_cache, "_MAKING_S", 0.0)
    monkeypatch.setattr(raster_cache, "_HURRY_S", 0.0)
    found = _Painted()
    assert found.finish() == {RED}
    return found


def test_former_and_new_are_never_seen_side_by_side(painted: _Painted) -> None:
    painted.color = BLUE
    painted.cache.invalidate()
    seen: list[set[int]] = []
    while True:
        colors, is_unfinished = painted.frame()
        seen.append(colors)
        if not is_unfinished:
            break
    assert len(seen) > 2, "it takes several frames"
    assert seen[:-1] == [{RED}] * (len(seen) - 1)
    assert seen[-1] == {BLUE}


def test_what_changes_again_and_again_is_seen_meanwhile(painted: _Painted) -> None:
    painted.color = BLUE
    seen: set[int] = set()
    for _ in range(20):
        painted.cache.invalidate()
        for _ in range(3):  # too few frames for all of it
            seen |= painted.frame()[0]
    assert BLUE in seen


def test_the_hand_is_not_kept_waiting_for_the_rest(painted: _Painted) -> None:
    painted.color = BLUE
    painted.cache.invalidate()
    painted.frame()
    painted.color = GREEN
    painted.cache.invalidate(Box(1, 1, 20, 20))
    seen: set[int] = set()
    while GREEN not in seen:
        seen, is_unfinished = painted.frame()
        assert is_unfinished
    assert RED in seen, "it came before the rest"


def test_a_change_meanwhile_is_in_what_is_shown(painted: _Painted) -> None:
    painted.color = BLUE
    painted.cache.invalidate()
    for _ in range(3):
        painted.frame()
    painted.color = GREEN
    painted.cache.invalidate(Box(-9, -9, 9 * SIDE_PX, 9 * SIDE_PX), hurries=False)
    assert painted.finish() == {GREEN}
