"""Paths and points for Qt from arrays, without a Python object for each corner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtGui import QPainterPath, QPolygonF
from shiboken6 import VoidPtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ELEMENT = np.dtype([("kind", ">i4"), ("x", ">f8"), ("y", ">f8")])
"""As QDataStream writes the elements of a QPainterPath."""
_MOVE, _LINE = 0, 1


def closed_path(
    points: NDArray[np.floating[Any]], starts: NDArray[np.int64], chosen: NDArray[np.intp]
) -> QPainterPath:
    """Return one path of rings.

    Parameters
    ----------
    points, starts
        (m, 2) and (n + 1,): ring i is `points[starts[i]:starts[i + 1]]`, not closed.
    chosen
        The rings to take.
    """
    begins = starts[chosen]
    counts = starts[chosen + 1] - begins
    lengths = counts + 1  # back to where it began
    total = int(lengths.sum())
    if not total:
        return QPainterPath()
    steps = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    is_last = steps == np.repeat(counts, lengths)
    corners = points[np.repeat(begins, lengths) + np.where(is_last, 0, steps)]
    return _path(corners, steps == 0, total - int(lengths[-1]))


def open_path(points: NDArray[np.floating[Any]], starts: NDArray[np.int64]) -> QPainterPath:
    """Return one path of lines: line i is `points[starts[i]:starts[i + 1]]`."""
    if not len(points):
        return QPainterPath()
    is_start = np.zeros(len(points), bool)
    is_start[starts[:-1]] = True
    return _path(points, is_start, int(starts[-2]))


def _path(
    corners: NDArray[np.floating[Any]], is_start: NDArray[np.bool_], last: int
) -> QPainterPath:
    """As QDataStream reads it: count, elements, begin of the last line, fill rule (odd-even)."""
    from PySide6.QtCore import QByteArray, QDataStream, QIODevice  # their enums take a millisecond

    elements = np.empty(len(corners), _ELEMENT)
    elements["kind"] = np.where(is_start, _MOVE, _LINE)
    elements["x"], elements["y"] = corners.T
    head, tail = np.array([len(corners)], ">i4"), np.array([last, 0], ">i4")
    data = QByteArray(head.tobytes() + elements.tobytes() + tail.tobytes())
    path = QPainterPath()
    QDataStream(data, QIODevice.OpenModeFlag.ReadOnly) >> path  # pyright: ignore[reportUnusedExpression]
    return path


def point_list(points: NDArray[np.floating[Any]]) -> QPolygonF:
    """Return (n, 2) as points of Qt."""
    polygon = QPolygonF()
    polygon.resize(len(points))
    if len(points):
        memory = VoidPtr(polygon.data(), 16 * len(points), True)  # pyright: ignore[reportCallIssue, reportArgumentType]
        np.frombuffer(memory, np.float64).reshape(-1, 2)[:] = points  # pyright: ignore[reportArgumentType, reportCallIssue]
    return polygon
