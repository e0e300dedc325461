"""Which columns of a table of tiles say where they lie, and which are scores."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.overlays.objects import UNLIKE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from viewer.overlays.files.foreign_table import ForeignTable

# As CLAM, TRIDENT, WSInfer, TIAToolbox, Space Ranger and this program name them.
_X_NAMES = (
    "x px", "x_px", "x", "coord_x", "x_coord", "coords_x", "x_coords", "left", "minx", "min_x",
    "xmin", "x_min", "x0", "x_start", "start_x", "tile_x", "patch_x", "pos_x", "x_pos",
    "pxl_col_in_fullres",
)  # fmt: skip
_Y_NAMES = (
    "y px", "y_px", "y", "coord_y", "y_coord", "coords_y", "y_coords", "top", "miny", "min_y",
    "ymin", "y_min", "y0", "y_start", "start_y", "tile_y", "patch_y", "pos_y", "y_pos",
    "pxl_row_in_fullres",
)  # fmt: skip
_RIGHT_NAMES = ("maxx", "max_x", "xmax", "x_max", "x1", "x_end", "end_x", "right")
_BOTTOM_NAMES = ("maxy", "max_y", "ymax", "y_max", "y1", "y_end", "end_y", "bottom")
_WIDTH_NAMES = (
    "side px", "side_px", "width", "w", "size", "side", "tile_size", "tile_width",
    "patch_size_level0", "patch_size", "patch_width", "diameter", "spot_diameter_fullres",
)  # fmt: skip
_HEIGHT_NAMES = ("height", "h", "tile_height", "patch_height")
_NO_SCORES = re.compile(
    r"|unnamed:? ?\d*|__index_level_\d+__|index|idx|id|.*[_ ]id|nr|no|number|num|tile|patch"
    r"|row|rows|col|cols|column|columns|i|j|array_row|array_col|in_tissue|barcode|z|t"
    r"|level|.*_level|label|labels|target|class|class_id|category|cluster|fold|split|seed|batch"
    r"|mpp|mpp_[xy]|resolution|magnification|mag|power|downsample|scale|overlap|stride|step"
)
_SCORES = re.compile(
    r"(prob|p_|attention|attn|att\b|att_|score|logit|confidence|likelihood|pred_|risk|heat"
    r"|importance|saliency).*|.*(prob|probs|probability|probabilities|score|scores|attention|attn"
    r"|logit|logits|confidence|likelihood|risk)( ?\d*)"
)
_ABSENCES = re.compile(
    r"(prob|probability|p|score)[ _]"
    r"(other|background|normal|benign|negative|none|non[-_ ].+|no[-_ ].+)"
)
"""Probabilities that what a classifier of two classes looks for is not there."""
_OUR_HEAD = ("X px", "Y px", "Side px")


class ScoreColumns(msgspec.Struct, frozen=True):
    """The columns of a table, by what they are.

    Attributes
    ----------
    x, y, width, height, right, bottom
        Names; None where there is none.
    scores
        The likeliest first.
    is_sure
        Whether the first is a score by its name, or there is no other.
    """

    x: str | None
    y: str | None
    width: str | None
    height: str | None
    right: str | None
    bottom: str | None
    scores: list[str]
    is_sure: bool


def score_columns(table: ForeignTable) -> ScoreColumns:
    """Return what the columns of numbers of a table are."""
    by_name = {name.strip().casefold(): name for name in table.numbers}

    def first(names: Iterable[str]) -> str | None:
        return next((by_name[name] for name in names if name in by_name), None)

    groups = (_X_NAMES, _Y_NAMES, _WIDTH_NAMES, _HEIGHT_NAMES, _RIGHT_NAMES, _BOTTOM_NAMES)
    x, y, width, height, right, bottom = (first(names) for names in groups)
    places = {name for names in groups for name in names}
    rest = [each for name, each in by_name.items() if name not in places and name != UNLIKE]
    if tuple(table.names[:3]) == _OUR_HEAD:
        return ScoreColumns(x, y, width, height, right, bottom, rest, is_sure=True)
    scores = [name for name in rest if _SCORES.fullmatch(name.strip().casefold())]
    if len(scores) == 2:
        scores.sort(key=lambda name: bool(_ABSENCES.fullmatch(name.strip().casefold())))
    others = [name for name in rest if name not in scores and _may_be_score(table, name)]
    is_sure = bool(scores) or len(others) == 1
    return ScoreColumns(x, y, width, height, right, bottom, scores + others, is_sure)


def _may_be_score(table: ForeignTable, name: str) -> bool:
    """Whether a column of an unknown name is neither a number of rows nor the same everywhere."""
    if _NO_SCORES.fullmatch(name.strip().casefold()):
        return False
    values = table.column(name)
    return not (len(values) > 2 and (np.diff(values) == 1).all())
