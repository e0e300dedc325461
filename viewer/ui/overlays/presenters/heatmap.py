"""The heatmap of a run on the canvas: of classes, of likeness, of few-shot marks."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QTimer

from viewer.colors import UNKNOWN_COLOR, class_color
from viewer.inference.tasks.known import kind_of
from viewer.overlays.area import bounds_of
from viewer.overlays.heatmap import (
    NOT_THIS,
    Heatmap,
    HeatmapStyle,
    Query,
    class_heatmap,
    gradient,
    number_text,
    painted_colors,
    query_heatmap,
    score_heatmap,
)
from viewer.overlays.legend import LegendRow, patch_rows
from viewer.overlays.result_at import ResultAt
from viewer.plurals import plural
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.overlays.presenters.presenter import Presenter
from viewer.ui.view.layer_entries import Ramp

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.canvas.layer import Layer
    from viewer.canvas.patch_layer import PatchLayer
    from viewer.geometry import Point
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.slide_prediction import SlidePrediction
    from viewer.ui.overlays.presenters.presenter import Presented

_log = logging.getLogger(__name__)

LIKELIEST_CLASS = "Likeliest class"
_LIKE_COLOR = "#e08a00"
"""Of the field that others are compared with."""
_PAUSE_MS = 60
"""Between pictures while blocks come in or a slider moves."""


class HeatmapPresenter(Presenter):
    """Makes the picture anew, off the window's thread, whenever what it shows changed."""

    def __init__(self, given: Presented) -> None:
        from viewer.canvas.numbered_boxes_layer import NumberedBoxesLayer
        from viewer.canvas.patch_layer import PatchLayer
        from viewer.overlays.files.marks_file import load_marks

        super().__init__(given)
        patches = given.found.as_patches
        assert patches is not None
        self.found = patches
        self.style = HeatmapStyle()
        self.heatmap: Heatmap | None = None
        self.judgment: SlidePrediction | None = None
        self.layer: PatchLayer = PatchLayer()
        self._background = BackgroundRunner("heatmap", 1, self)
        self._making: Task | None = None
        self._is_stale = False
        self._timer = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._timer.timeout.connect(self._make)
        self._kind = kind_of(given.origin.task)
        self.query = Query(marks=load_marks(given.identity)) if self.is_asked else Query()
        self.meant = NumberedBoxesLayer("marked fields")
        self._show_meant()

    @classmethod
    def of(cls, shown: Presenter) -> HeatmapPresenter | None:
        """Return a presenter that shows a heatmap; None for any other."""
        return shown if isinstance(shown, cls) else None

    @property
    def painted(self) -> PatchLayer:
        return self.layer

    @property
    def painted_over(self) -> tuple[Layer, ...]:
        return (self.meant,) if self.is_asked else ()

    def refresh(self, key: BlockKey) -> None:
        """A block came."""
        self._touch()

    def refresh_all(self) -> None:
        """Everything may have changed."""
        self._touch()

    def set_style(self, style: HeatmapStyle) -> None:
        self.style = style
        self._touch()

    def switch_class(self, index: int, *, on: bool) -> None:
        hidden = self.style.hidden - {index} if on else self.style.hidden | {index}
        self.set_style(replace(self.style, hidden=hidden))

    def set_query(self, query: Query) -> None:
        """Ask embeddings something else; marks are kept for the next reading."""
        from viewer.overlays.files.marks_file import save_marks

        if query.marks != self.query.marks:
            identity, marks = self._identity, query.marks
            self._background.run(
                lambda: save_marks(identity, marks),
                lambda _: None,
                lambda error: _log.warning("marks cannot be kept (%s)", error),
                keeps="The marks of a model",
            )
        self.query = query
        self._show_meant()
        self._touch()

    def lines(self) -> list[str]:
        """Return what the card tells."""
        area_mm2 = self.found.area_px * (self.found.mpp_um / 1000) ** 2
        analyzed = "Analyzed" if self._is_map else f"{plural(self.found.count, 'tile')} analyzed"
        lines = [f"{analyzed} ({area_mm2:.3g} mm²)"]
        if self.is_asked and self.heatmap is None:
            if self.query.lacks_second:
                lines.append(f'Mark a second class, or fields as "{NOT_THIS}", to paint the slide.')
            elif self.query.marks:
                lines.append("The marked fields are not analyzed yet.")
            else:
                lines.append("Ask for fields like this one, or mark some.")
        return lines

    def legend_rows(self) -> list[LegendRow]:
        """Return the key of the classes that are painted; empty where one value is."""
        heatmap = self.heatmap
        if heatmap is None or heatmap.classes is None:
            return []
        patch_mm2 = (self.found.cell * self.found.mpp_um / 1000) ** 2
        return patch_rows(
            self._painted_legend(),
            heatmap.counts,
            patch_mm2,
            self.style.hidden,
            is_map=self._is_map,
        )

    @property
    def is_asked(self) -> bool:
        """Return whether what is painted is how like vectors are to what is asked."""
        return self._kind.shows == "likeness"

    @property
    def _is_map(self) -> bool:
        return self._kind.is_map

    def result_at(self, point: Point) -> ResultAt | None:
        """Return the value or class at a level-0 point; None where nothing is known."""
        heatmap, place = self.heatmap, self.found.place_of(point)
        if heatmap is None or place is None or math.isnan(float(heatmap.values[place])):
            return None
        name = self._origin.name
        if heatmap.classes is not None:
            index = int(heatmap.classes[place])
            if index < 0:
                return None
            name = self.legend()[index][0]
        elif chosen := self._chosen_name():
            name = f"{name}, {chosen}"
        return ResultAt(f"{name} {heatmap.value_text(*place)}", self.found.cell_box(*place))

    def _chosen_name(self) -> str:
        """Of several values, the one that is shown."""
        choices, words = self.choices(), self.query.words
        if words is not None and len(words.phrases) == 1:
            return words.phrases[0]
        if not choices or (self.style.shown is None and self.whole):
            return ""
        return choices[self.style.shown or 0]

    def legend(self) -> list[tuple[str, str]]:
        """Names and colors of what is shown."""
        if self.query.words is not None:
            return [(name, class_color(i)) for i, name in enumerate(self.query.words.phrases)]
        if self.is_asked:
            return [(name, mark_color(i, name)) for i, name in enumerate(self.query.names)]
        return self._origin.colors

    def color_key(self) -> list[tuple[str, str]]:
        """Return names and colors of the classes that are painted; none where values are."""
        if self.heatmap is None or self.heatmap.classes is None:
            return []
        hidden = self.style.hidden
        named = enumerate(self._painted_legend())
        return [(name, color) for n, (name, color) in named if color and n not in hidden]

    def _painted_legend(self) -> list[tuple[str, str]]:
        """Return names and colors of the classes, "" for those that are not painted."""
        legend = self.legend()
        colors = painted_colors(legend, is_map=self._is_map)
        return [(name, color) for (name, _), color in zip(legend, colors, strict=True)]

    def ramp(self) -> Ramp | None:
        """Return the key of the values that are painted; None of classes."""
        heatmap = self.heatmap
        if heatmap is None or heatmap.classes is not None:
            return None
        colors = tuple(gradient(self.style.color_map, 32))
        if heatmap.ranks is not None:
            return Ramp(colors, ("percentile 0", "percentile 100"))
        span = heatmap.high - heatmap.low
        low, high = number_text(heatmap.low, span), number_text(heatmap.high, span)
        return Ramp(colors, (low, f"{high} {self._chosen_name()}".strip()))

    @property
    def whole(self) -> str:
        """Return what is shown where no class is chosen; "" where one always is."""
        return "" if self.shows_a_value else LIKELIEST_CLASS

    @property
    def shows_a_value(self) -> bool:
        """Return whether what is shown where no class is chosen is a value, and not a class."""
        is_class = self._kind.has_head and self.found.head != "regression"
        return not (is_class and len(self._origin.colors) > 1)

    def choices(self) -> list[str]:
        """Return the values that can be shown instead of the likeliest class."""
        names = [name for name, _ in self._origin.colors]
        return names if len(names) > 1 else []

    def shut_down(self) -> None:
        self._timer.stop()
        if self._making is not None:
            self._making.cancel()
        self._background.close(finish=True)

    def _show_meant(self) -> None:
        """Draw which fields likeness and classes are asked by."""
        names = self.query.names
        marks = [
            (mark.box, mark_color(names.index(mark.name), mark.name) or UNKNOWN_COLOR)
            for mark in self.query.marks
        ]
        like = self.query.like
        boxes = marks if like is None else [(bounds_of(like), _LIKE_COLOR)]
        if self.query.words is not None:
            boxes = []
        self.meant.show_boxes(
            [box for box, _ in boxes], [color for _, color in boxes], len(boxes) - 1
        )
        self._canvas.update()

    def _touch(self) -> None:
        self._is_stale = True
        if self._making is None and not self._timer.isActive():
            self._timer.start()

    def _make(self) -> None:
        self._is_stale = False
        self._making = self._background.run(self._work(), self._show, self._on_failed)

    def _work(self) -> Callable[[], Heatmap | None]:
        """Return what makes the picture, in a thread."""
        found, style, query = self.found, self.style, self.query
        colors = painted_colors(self.legend(), is_map=self._is_map)
        if self.is_asked:
            return lambda: query_heatmap(found, style, query, colors)
        if self._kind.shows == "values":
            return lambda: score_heatmap(found, style)
        return lambda: class_heatmap(found, style, colors)

    def _show(self, heatmap: Heatmap | None) -> None:
        self._making = None
        self.heatmap = heatmap
        if heatmap is None:
            self.layer.clear()
        else:
            found = self.found
            # Tiles of a file end where they end; what a model saw goes on between its patches.
            smooth = heatmap.classes is None and self._kind.shows != "values"
            self.layer.show_colors(
                heatmap.colors, found.raster_px, smooth=smooth, origin=found.origin
            )
        self._canvas.update()
        self.changed.emit()
        if self._is_stale:
            self._touch()

    def _on_failed(self, error: Exception) -> None:
        self._making = None
        _log.error("the heatmap could not be made", exc_info=error)


def mark_color(index: int, name: str) -> str:
    """Return the color of a class that was marked; "" where it is not painted."""
    return "" if name == NOT_THIS else class_color(index)
