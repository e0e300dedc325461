"""Paths made from arrays are those that Qt's own calls make."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainterPath, QPolygonF

from viewer.canvas.fast_paths import closed_path, point_list

RINGS = [
    [(0, 0), (10, 0), (10, 10)],
    [(5.5, 5), (8, 5.25), (8, 9), (5, 9)],
    [(20, 20), (21, 20), (21, 22)],
]


def _arrays() -> tuple[np.ndarray, np.ndarray]:
    points = np.array([corner for ring in RINGS for corner in ring], np.float32)
    return points, np.cumsum([0, *map(len, RINGS)])


@pytest.mark.parametrize("chosen", [[0], [1, 2], [0, 1, 2], []])
def test_a_path_of_rings_is_qts(chosen: list[int]) -> None:
    expected = QPainterPath()
    for index in chosen:
        corners = [QPointF(x, y) for x, y in RINGS[index]]
        expected.addPolygon(QPolygonF([*corners, corners[0]]))
    path = closed_path(*_arrays(), np.array(chosen, np.intp))
    assert path == expected
    assert path.contains(QPointF(8, 3)) == (0 in chosen)


def test_points_are_qts() -> None:
    points, _ = _arrays()
    assert point_list(points) == QPolygonF([QPointF(x, y) for x, y in points.tolist()])
    assert point_list(points[:0]).isEmpty()
