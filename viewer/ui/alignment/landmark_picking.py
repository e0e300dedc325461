"""Landmarks placed on two panes, pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.canvas.landmark_tool import LandmarkTool
from viewer.canvas.layer import LayerOrder
from viewer.slides.alignment.transform import Landmark

if TYPE_CHECKING:
    from viewer.geometry import Point
    from viewer.ui.slides.slide_pane import SlidePane


class LandmarkPicking(QObject):
    """The tool in hand over two panes until `end`; places can be taken back and brought back."""

    changed = Signal()
    left = Signal()

    def __init__(self, panes: tuple[SlidePane, SlidePane], parent: QObject) -> None:
        super().__init__(parent)
        self._panes = panes
        self._tools = (LandmarkTool(self), LandmarkTool(self))
        self._order: list[int] = []
        """Which of the two slides each place was marked on."""
        self._undone: list[tuple[int, Point]] = []
        for index, (pane, tool) in enumerate(zip(panes, self._tools, strict=True)):
            pane.canvas.set_tool(tool)
            pane.canvas.add_layer(tool, LayerOrder.TOOLS)
            tool.picked.connect(lambda place, index=index: self._pick(index, place))
            tool.taken_back.connect(self._take_back)
            tool.brought_back.connect(self._bring_back)
            tool.left.connect(self.left)

    @property
    def pairs(self) -> list[Landmark]:
        """Return the places that are marked on both slides, level-0 pixels."""
        return [
            Landmark(here, there)
            for here, there in zip(self._tools[0].places, self._tools[1].places, strict=False)
        ]

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many places are marked on each slide."""
        return len(self._tools[0].places), len(self._tools[1].places)

    def end(self) -> None:
        """Put the tool down."""
        for pane, tool in zip(self._panes, self._tools, strict=True):
            pane.canvas.set_tool(None)
            pane.canvas.remove_layer(tool)
        self.deleteLater()

    def _pick(self, index: int, place: Point) -> None:
        self._undone.clear()
        self._add(index, place)

    def _add(self, index: int, place: Point) -> None:
        self._tools[index].places.append(place)
        self._order.append(index)
        self._show()

    def _take_back(self) -> None:
        if self._order:
            index = self._order.pop()
            self._undone.append((index, self._tools[index].places.pop()))
            self._show()

    def _bring_back(self) -> None:
        if self._undone:
            self._add(*self._undone.pop())

    def _show(self) -> None:
        for pane in self._panes:
            pane.canvas.update()
        self.changed.emit()
