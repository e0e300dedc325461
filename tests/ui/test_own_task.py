"""A task that nobody foresaw, with results and a presenter of its own, in the real window."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import numpy as np
import pytest
from inference_steps import make_bundle
from pytestqt.qtbot import QtBot

from viewer.canvas.numbered_boxes_layer import NumberedBoxesLayer
from viewer.geometry import Box, Point
from viewer.inference.models.bundle import STEPS_VERSION, ModelBundle, load_bundle
from viewer.inference.models.description import Head, ModelDescription
from viewer.inference.runs.kept_results import KeptResults
from viewer.inference.runs.plan import block_grid
from viewer.inference.tasks.known import TASKS
from viewer.inference.tasks.task import TaskKind
from viewer.overlays.area import Area
from viewer.overlays.blocks import CELLS, BlockGrid, BlockKey
from viewer.overlays.patch_mask import PatchMask
from viewer.overlays.result_at import ResultAt
from viewer.overlays.result_map import BlockResult, BlockResultError, ResultMap
from viewer.overlays.result_store import StoreAbout
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.overlay_run import OverlayRun
from viewer.ui.overlays.presenters.presenter import Presented, Presenter
from viewer.ui.overlays.presenters.registry import PRESENTERS

_PATIENCE_MS = 60_000
_PLACE = struct.Struct("<2d")


class Place(msgspec.Struct, frozen=True):
    """The one place in a block that is worth a look."""

    point: Point

    @property
    def has_holes(self) -> bool:
        return False

    def to_bytes(self) -> bytes:
        return _PLACE.pack(*self.point)


class PlaceMap(ResultMap):
    """The places of a slide."""

    def __init__(self, grid: BlockGrid, mpp_um: float) -> None:
        self.grid, self.mpp_um, self.count = grid, mpp_um, 0
        self.places: dict[BlockKey, Point] = {}

    @property
    def done(self) -> set[BlockKey]:
        return set(self.places)

    @property
    def unanswered(self) -> PatchMask:
        return PatchMask(np.zeros((self.grid.rows, self.grid.columns), bool), self.grid.side)

    def unanswered_in(self, area: Area) -> PatchMask:  # noqa: ARG002
        return self.unanswered

    @property
    def unlike(self) -> PatchMask:
        return self.unanswered

    def unlike_in(self, area: Area) -> PatchMask:  # noqa: ARG002
        return self.unanswered

    def take(self, key: BlockKey, result: BlockResult) -> None:
        if not isinstance(result, Place):
            raise self._foreign(result)
        self.places[key] = result.point
        self.count = len(self.places)


class Places(TaskKind):
    """A place in each block."""

    name = "places"
    finds = "other"
    shows = "places"
    needs_classes = False

    def empty_map(self, grid: BlockGrid, mpp_um: float, head: Head = "softmax") -> PlaceMap:  # noqa: ARG002
        return PlaceMap(grid, mpp_um)

    def no_result(self) -> Place:
        return Place(Point(0, 0))

    def decode(self, data: bytes, cells: int = CELLS) -> Place:  # noqa: ARG002
        try:
            return Place(Point(*_PLACE.unpack(data)))
        except struct.error as error:
            raise BlockResultError(f"This place is damaged ({error}).") from error

    def block_px(self, about: ModelDescription) -> tuple[int, int]:
        return about.patch_px, 0


class PlacesPresenter(Presenter):
    """Frames the places."""

    def __init__(self, given: Presented) -> None:
        super().__init__(given)
        assert isinstance(given.found, PlaceMap)
        self._found = given.found
        self._layer = NumberedBoxesLayer("places")

    @property
    def painted(self) -> NumberedBoxesLayer:
        return self._layer

    def refresh(self, key: BlockKey) -> None:  # noqa: ARG002
        self.refresh_all()

    def refresh_all(self) -> None:
        boxes = [_frame(point) for point in self._found.places.values()]
        self._layer.show_boxes(boxes, ["#ff00ff"] * len(boxes), -1)
        self._canvas.update()
        self.changed.emit()

    def result_at(self, point: Point) -> ResultAt | None:
        frames = (_frame(each) for each in self._found.places.values())
        return next((ResultAt("worth a look", box) for box in frames if box.contains(point)), None)

    def lines(self) -> list[str]:
        return [f"{self._found.count} places"]


def _frame(point: Point) -> Box:
    return Box.around(point, 60, 60)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the task and its presenter, which no file of Coverslip names."""
    monkeypatch.setitem(TASKS, Places.name, Places())
    monkeypatch.setitem(PRESENTERS, Places.shows, PlacesPresenter)


@pytest.fixture
def model(tmp_path: Path) -> ModelBundle:
    return load_bundle(make_bundle(tmp_path / "m", task="places", classes=[], margin_px=0))


def test_a_task_of_its_own_is_shown_told_and_listed(
    slide_window: MainWindow, model: ModelBundle, qtbot: QtBot
) -> None:
    pane, overlays = slide_window.panes.active, slide_window.overlays
    source = pane.source
    assert source is not None
    assert pane.path is not None
    mpp_um = pane.canvas.optics.mean_mpp_um
    assert mpp_um is not None
    grid = block_grid(source, model.description, mpp_um)
    about = StoreAbout(
        str(pane.path), source.info.identity, model.key, mpp_um, grid, STEPS_VERSION,
        task=model.task, classes=[],
    )  # fmt: skip
    kept = KeptResults(about)
    keys = list(grid.covering(Box(0, 0, *grid.slide)))
    for key in keys:
        kept.put(key, Place(grid.core_box(key).center).to_bytes(), "")
    kept.close()

    overlays.show_models([model], added=model)

    qtbot.waitUntil(lambda: overlays.run_of(pane) is not None, timeout=_PATIENCE_MS)
    run = overlays.run_of(pane)
    assert isinstance(run, OverlayRun)
    qtbot.waitUntil(lambda: run.found.count == len(keys), timeout=_PATIENCE_MS)
    assert isinstance(run.found, PlaceMap)
    assert run.found.done == set(keys)
    qtbot.waitUntil(lambda: "places" in pane.canvas.shown_layers)
    middle = grid.core_box(keys[0]).center
    result = run.result_at(middle)
    assert result is not None
    assert result.text == "worth a look"
    body = overlays.panel.body
    qtbot.waitUntil(lambda: f"{len(keys)} places" in body.figures.text())
    assert body.objects is None
    assert body.heatmap is None
    run.set_visible(visible=False)
    qtbot.waitUntil(lambda: "places" not in pane.canvas.shown_layers)
    slide_window.commands["overlays.export"].trigger()
    qtbot.waitUntil(lambda: "No file takes what Dark finds" in slide_window.status.currentMessage())
