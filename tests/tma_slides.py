"""Slides of tissue microarrays: round, turned, torn, faint, touching and missing cores."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

GLASS = 243.0
MPP_UM = 2.0
Place = tuple[int, int]


@dataclass(frozen=True)
class ArrayPlan:
    """An array in pixels; `turn_deg` turns it, `bend_px` bows its rows."""

    rows: int = 4
    columns: int = 6
    diameter: int = 60
    spacing: int = 88
    turn_deg: float = 0.0
    bend_px: float = 0.0
    missing: Collection[Place] = ()
    torn: Collection[Place] = ()
    faint: Collection[Place] = ()
    touching: Collection[Place] = ()
    """Cores that lie against their right neighbor."""


def array_picture(plan: ArrayPlan) -> tuple[np.ndarray, dict[Place, tuple[float, float]]]:
    """Return the picture, uint8 (height, width, 3), and the middle of each place."""
    rng = np.random.default_rng(7)
    turn = np.deg2rad(plan.turn_deg)
    wide, high = (n * plan.spacing + 120 for n in (plan.columns, plan.rows))
    width = int(abs(wide * np.cos(turn)) + abs(high * np.sin(turn)))
    height = int(abs(wide * np.sin(turn)) + abs(high * np.cos(turn)))
    picture = np.full((height, width, 3), GLASS) + rng.normal(0, 1.0, (height, width, 1))
    places: dict[Place, tuple[float, float]] = {}
    for row in range(plan.rows):
        for column in range(plan.columns):
            x = (column - (plan.columns - 1) / 2) * plan.spacing + rng.normal(0, 2)
            y = (row - (plan.rows - 1) / 2) * plan.spacing + rng.normal(0, 2)
            y += plan.bend_px * (2 * column / max(plan.columns - 1, 1) - 1) ** 2
            x += (plan.spacing - plan.diameter) * ((row, column) in plan.touching)
            at = (
                width / 2 + np.cos(turn) * x - np.sin(turn) * y,
                height / 2 + np.sin(turn) * x + np.cos(turn) * y,
            )
            places[row, column] = at
            if (row, column) in plan.missing:
                continue
            left, top = (max(0, int(middle - plan.diameter / 2)) for middle in at)
            around = picture[top : top + plan.diameter + 2, left : left + plan.diameter + 2]
            ys, xs = np.ogrid[top : top + len(around), left : left + around.shape[1]]
            inside = np.hypot(xs - at[0], ys - at[1]) <= plan.diameter / 2
            if (row, column) in plan.torn:
                inside &= (xs - at[0]) + 1.5 * (ys - at[1]) > 0
            color = np.array([190.0, 110.0, 165.0]) + rng.normal(0, 22, (int(inside.sum()), 1))
            if (row, column) in plan.faint:
                color = GLASS - (GLASS - color) * 0.25
            around[inside] = color
    return np.clip(picture, 0, 255).astype(np.uint8), places


def write_array(path: Path, plan: ArrayPlan) -> dict[Place, tuple[float, float]]:
    """Write the slide of an array as a tiled TIFF with a pixel size; return its middles."""
    picture, places = array_picture(plan)
    tifffile.imwrite(
        path, picture, tile=(256, 256), photometric="rgb", compression="deflate",
        resolution=(1e4 / MPP_UM, 1e4 / MPP_UM), resolutionunit="CENTIMETER",
    )  # fmt: skip
    return places
