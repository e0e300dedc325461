"""Colors of classes that have none of their own."""

from __future__ import annotations

import numpy as np

from viewer.colors import CLASS_COLORS, class_color, rgb_of


def test_no_two_classes_have_one_color() -> None:
    assert [class_color(index) for index in range(7)] == list(CLASS_COLORS)
    colors = [class_color(index) for index in range(200)]
    assert len(set(colors)) == 200
    first = np.array([rgb_of(color) for color in colors[:24]], float)
    apart = np.sqrt(((first[:, None] - first[None]) ** 2).sum(-1))
    assert apart[~np.eye(24, dtype=bool)].min() > 50
