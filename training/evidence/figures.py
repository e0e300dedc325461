"""The results as drawings (SVG), without any library."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from training.evidence.measuring import BASELINES, PREDICTOR, SIGHT
from training.evidence.teaching import CURVE_READER
from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.evidence.measuring import Results

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 150, 34, 50
_COLORS = {
    PREDICTOR: "#c2410c", "density": "#1d4ed8", "tissue": "#15803d", "center": "#7e22ce",
    "random": "#6b7280", SIGHT: "#111827",
}  # fmt: skip


def write_figures(results: Results, folder: Path) -> list[Path]:
    """Write both drawings, and return where they lie."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {
        "evidence-proposals.svg": _proposals(results),
        "evidence-minutes.svg": _minutes(results),
    }
    for name, text in drawings.items():
        (folder / name).write_text(text)
    return [folder / name for name in drawings]


def _proposals(results: Results) -> str:
    """Return the share of regions found with the most fields, by reader and map."""
    most = max(results.areas)
    readers = list(results.proposals)
    names = (PREDICTOR, *BASELINES, SIGHT)
    group = (_WIDTH - _LEFT - _RIGHT) / len(readers)
    parts: list[str] = []
    for place, reader in enumerate(readers):
        middle = _LEFT + (place + 0.5) * group
        parts.append(_text(middle, _HEIGHT - _BOTTOM + 20, reader, "middle"))
        for number, name in enumerate(names):
            figure = results.proposals[reader][name][f"found@{most}"]
            x = middle + (number - (len(names) - 1) / 2) * group / (len(names) + 2)
            color = _COLORS[name]
            parts.append(_line(x, _y(figure.low), x, _y(figure.high), color, 2))
            parts.append(f'<circle cx="{x:.1f}" cy="{_y(figure.mean):.1f}" r="5" fill="{color}"/>')
    title = (
        f"Hidden regions found with {most} fields ({percent(results.areas[most])} of the slide), "
        f"{results.slides} slides held back"
    )
    return _drawing(title, [*_axis(), *parts, *_legend(names)], "taught and predicted: readers of")


def _minutes(results: Results) -> str:
    """Return the share of regions found against the minutes recorded."""
    most = max(results.areas)
    points = [point for some in results.curve.values() for point in some]
    longest = max(minutes for minutes, _ in points)

    def x(minutes: float) -> float:
        return _LEFT + minutes / longest * (_WIDTH - _LEFT - _RIGHT - 20)

    parts: list[str] = []
    means = [
        (sum(m for m, _ in some) / len(some), sum(f for _, f in some) / len(some))
        for some in results.curve.values()
    ]
    for (x0, y0), (x1, y1) in itertools.pairwise(means):
        parts.append(_line(x(x0), _y(y0), x(x1), _y(y1), _COLORS[PREDICTOR], 2))
    for minutes, found in points:
        parts.append(
            f'<circle cx="{x(minutes):.1f}" cy="{_y(found):.1f}" r="4" '
            f'fill="{_COLORS[PREDICTOR]}"/>'
        )
    for name in ("density", "random", SIGHT):
        level = _y(results.proposals[CURVE_READER][name][f"found@{most}"].mean)
        parts.append(_line(_LEFT, level, _WIDTH - _RIGHT, level, _COLORS[name], 1.5, "6 4"))
    for number in range(5):
        minutes = longest * number / 4
        parts.append(_text(x(minutes), _HEIGHT - _BOTTOM + 20, f"{minutes:.0f}", "middle"))
    title = f"Hidden regions found with {most} fields, by recorded minutes that taught"
    return _drawing(
        title, [*_axis(), *parts, *_legend((PREDICTOR, "density", "random", SIGHT))], "minutes"
    )


def _drawing(title: str, parts: Sequence[str], below: str) -> str:
    body = "\n".join(
        [
            _text(_LEFT, 18, title, "start"),
            *parts,
            _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, below, "middle"),
        ]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _axis() -> list[str]:
    parts: list[str] = []
    for tick in range(0, 101, 25):
        y = _y(tick / 100)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "#d1d5db", 1))
        parts.append(_text(_LEFT - 8, y + 4, f"{tick} %", "end"))
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    parts: list[str] = []
    for number, name in enumerate(names):
        y = _TOP + 16 + 20 * number
        x = _WIDTH - _RIGHT + 16
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{_COLORS[name]}"/>')
        parts.append(_text(x + 12, y + 4, name, "start"))
    return parts


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _line(
    x0: float, y0: float, x1: float, y1: float, color: str, width: float, dashes: str = ""
) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{color}" '
        f'stroke-width="{width}"{dashed}/>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
