"""The key of an overlay's colors: a row for each class, with how much there is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.overlays.heatmap import is_background
from viewer.plurals import percent, plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet


class LegendRow(msgspec.Struct, frozen=True):
    """One class.

    Attributes
    ----------
    index
        Of the class.
    color
        "#rrggbb"; "" where the class is not painted.
    figures
        Number or area and share, as they are shown.
    about
        The same in a sentence.
    can_hide
        Whether the class can be left out of what is painted.
    """

    index: int
    name: str
    color: str
    figures: tuple[str, ...] = ()
    about: str = ""
    is_shown: bool = True
    can_hide: bool = True


def object_rows(
    colors: Sequence[tuple[str, str]], counts: Sequence[int], hidden: AbstractSet[int]
) -> list[LegendRow]:
    """Return the rows of objects.

    Parameters
    ----------
    colors
        Name and color of each class.
    counts
        Of the objects of each class.
    hidden
        Indexes of the classes that are left out.
    """
    total = sum(counts)
    return [
        LegendRow(
            index,
            name,
            color,
            (f"{count:,}", share_text(count, total)),
            f"{name}: {plural(count, 'object')}, {share_text(count, total)} of all",
            index not in hidden,
        )
        for index, ((name, color), count) in enumerate(zip(colors, counts, strict=False))
    ]


def patch_rows(
    colors: Sequence[tuple[str, str]],
    counts: Sequence[int],
    patch_mm2: float,
    hidden: AbstractSet[int],
    *,
    is_map: bool,
) -> list[LegendRow]:
    """Return the rows of classified tiles, or with `is_map` of an area that was segmented.

    Parameters
    ----------
    counts
        Of the patches of each class.
    patch_mm2
        Area of a patch.
    """
    is_ground = [is_map and is_background(name) for name, _ in colors]
    counted = zip(counts, is_ground, strict=False)
    total = sum(count for count, is_left_out in counted if not is_left_out)
    rows: list[LegendRow] = []
    for index, ((name, color), count) in enumerate(zip(colors, counts, strict=False)):
        if is_ground[index]:
            continue
        area, share = f"{area_text(count * patch_mm2)} mm²", share_text(count, total)
        amount = area if is_map else f"{count:,}"
        tiles = "" if is_map else f"{plural(count, 'tile')}, "
        said = f"{name}: {tiles}{area}, {share} of all"
        is_shown, can_hide = index not in hidden and bool(color), bool(color)
        rows.append(LegendRow(index, name, color, (amount, share), said, is_shown, can_hide))
    return rows


def share_text(count: float, total: float) -> str:
    """Return a share in percent, such as "12 %"; "" of nothing."""
    if not total:
        return ""
    share = count / total
    return "<1 %" if 0 < share < 0.005 else percent(share)


def area_text(area_mm2: float) -> str:
    """Return an area in as many digits as are read at a glance."""
    if not area_mm2:
        return "0"
    return f"{area_mm2:.4f}" if area_mm2 < 0.1 else f"{area_mm2:,.2f}"
