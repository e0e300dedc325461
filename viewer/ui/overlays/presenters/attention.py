"""What a slide model says of a slide, and its attention as a heatmap."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from viewer.overlays.heatmap import Heatmap, HeatmapStyle, attention_heatmap
from viewer.overlays.legend import LegendRow
from viewer.plurals import percent, plural
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.slide_prediction import SlidePrediction
    from viewer.ui.overlays.presenters.presenter import Presented

_log = logging.getLogger(__name__)

_PAUSE_MS = 2500
"""Between answers while blocks come in: each costs a process."""


class AttentionPresenter(HeatmapPresenter):
    """Asks the slide model again, in a thread, as more of the slide becomes known."""

    tells_unlike = True

    def __init__(self, given: Presented) -> None:
        super().__init__(given)
        self.style = HeatmapStyle(as_percentiles=True)
        self._trouble = ""
        self._asked = -1
        self._judging = BackgroundRunner("slide model", 1, self)
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._ask)
        self._is_asking = False

    def refresh(self, key: BlockKey) -> None:
        if not self._is_asking and not self._pause.isActive():
            self._pause.start()

    def refresh_all(self) -> None:
        self._ask()

    def lines(self) -> list[str]:
        judged = self.judgment
        if judged is None:
            return [self._trouble or "The slide model answers once some tiles are analyzed."]
        return [f"Judged by {plural(judged.count, 'tile')} so far."]

    def legend_rows(self) -> list[LegendRow]:
        """Return the chance of each class, the likeliest first."""
        judged = self.judgment
        if judged is None:
            return []
        rows: list[LegendRow] = []
        for index in judged.chances.argsort()[::-1].tolist():
            name, chance = self._origin.colors[index][0], percent(float(judged.chances[index]))
            rows.append(LegendRow(index, name, "", (chance,), f"{name}: {chance}", can_hide=False))
        return rows

    @property
    def whole(self) -> str:
        """Return, of several heads, that of the class that the slide is judged to be."""
        return "Attention for the likeliest class"

    def choices(self) -> list[str]:
        judged = self.judgment
        return super().choices() if judged is not None and len(judged.attention) > 1 else []

    def shut_down(self) -> None:
        self._pause.stop()
        self._judging.close()
        super().shut_down()

    def _ask(self) -> None:
        from viewer.inference.models.bundle import ModelBundle
        from viewer.inference.runs.slide_inference import mark_unlike, predict_slide

        if self._asked == self.found.count or not self.found.count:
            return
        self._is_asking, self._asked = True, self.found.count
        bundle, found = self._origin, self.found
        assert isinstance(bundle, ModelBundle)

        def judge() -> SlidePrediction:
            mark_unlike(bundle, found)
            return predict_slide(bundle, found)

        self._judging.run(judge, self._take, self._on_no_answer)

    def _take(self, judgment: SlidePrediction) -> None:
        self._is_asking = False
        self.judgment = judgment
        self._touch()
        self._pause.start()

    def _on_no_answer(self, error: Exception) -> None:
        self._is_asking = False
        self._trouble = str(error)
        _log.warning("the slide model gave no answer (%s)", error)
        self.changed.emit()

    def _work(self) -> Callable[[], Heatmap | None]:
        judgment, style = self.judgment, self.style
        return lambda: None if judgment is None else attention_heatmap(judgment, style)
