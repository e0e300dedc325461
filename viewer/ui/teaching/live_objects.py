"""The objects of one overlay with the classes that marks teach, as soon as they are learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace
from msgspec.structs import replace as with_fields
from PySide6.QtCore import QObject, QTimer, Signal

from viewer.geometry import Box
from viewer.inference.teaching.cell_marks import marked_in_blocks
from viewer.inference.teaching.errors import TeachingError
from viewer.inference.teaching.marks import check_classes
from viewer.inference.teaching.object_teacher import ObjectTeacher
from viewer.inference.teaching.taught_bundles import with_own_classes
from viewer.inference.teaching.taught_objects import CHANCE, with_classes
from viewer.plurals import percent
from viewer.ui.background_runner import BackgroundRunner, Urgency
from viewer.ui.overlays.gallery import GalleryField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.messages import ObjectsKey, Suggested
    from viewer.inference.teaching.marks import Mark
    from viewer.inference.teaching.object_teacher import Lesson
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.objects import Objects
    from viewer.ui.overlays.overlay import Overlay

_SETTLE_MS = 80
"""Marks that come within it are learned from at once."""
_BLOCKS_AT_ONCE = 32
_SUGGESTED = 12
NOT_CLASSIFIED = ("Not classified yet", "#8a8f98")
"""Name and color of cells that were found and not yet classified."""


class LiveObjects(QObject):
    """Teaches in a process of its own; `shut_down` ends it.

    Between `attach` and `detach` the overlay shows what was learned last, or what its model found
    where that is nothing.
    """

    learned = Signal(object)
    """A Lesson; what it says of the cells comes after it, those in view first."""
    answered = Signal()
    """All cells that are known have their class."""
    refused = Signal(str)
    """Nothing is learned; one sentence says why. The cells are shown as they were found."""
    lost = Signal()
    """The overlay is gone."""
    suggested = Signal()
    """`unsure` and `different` are others."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.run: Overlay | None = None
        self.base: ModelBundle | None = None
        """The model whose cells these are, with the features that were asked for."""
        self.lesson: Lesson | None = None
        self.colors: dict[str, str] = {}
        """Of the classes of `lesson`."""
        self.unsure: list[GalleryField] = []
        self.different: list[GalleryField] = []
        self._teacher = ObjectTeacher()
        self._background = BackgroundRunner("teach cells", 1, self)
        self._found: dict[BlockKey, Objects] = {}
        self._new: list[BlockKey] = []
        self._marks: tuple[Mark, ...] = ()
        self._missed = 0
        self._generation = 0
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._learn)

    def shut_down(self) -> None:
        """End the process and the thread."""
        self._settle.stop()
        self._teacher.close()
        self._background.close()

    def attach(self, run: Overlay, base: ModelBundle) -> None:
        """Tell the classes of what an overlay shows from now on."""
        self.detach()
        self.run, self.base = run, base
        run.found_in.connect(self._on_block)
        gone = id(run)
        run.destroyed.connect(lambda: self._on_gone(gone))
        self._found = {key: each for key, each in _map_of(run) if CHANCE not in each.measurements}
        self._background.run(self._start, lambda _: None, self._on_failed)
        self._settle.start()

    def detach(self) -> None:
        """Show the cells as they were found, and forget them."""
        run, self.run = self.run, None
        self._settle.stop()
        self._background.cancel_waiting()
        self._generation += 1
        if run is not None:
            run.found_in.disconnect(self._on_block)
            self._show_as_found(run)
        self._found, self._new, self._marks = {}, [], ()
        self._forget_lesson()

    def teach(self, marks: Sequence[Mark]) -> None:
        """Learn from these marks."""
        self._marks = tuple(marks)
        self._settle.start()

    def mistakes(self) -> list[GalleryField]:
        """Return the marked cells that were called something else without their region."""
        lesson = self.lesson
        if lesson is None:
            return []
        names, held = list(self.colors), lesson.held_out
        return [
            self._field(mark[0], mark[1], f"{names[held.truth[row]]}, called {names[wrong]}")
            for row, (mark, wrong) in enumerate(zip(lesson.marks, held.predicted, strict=True))
            if held.wrong[row]
        ]

    def _on_gone(self, gone: int) -> None:
        if self.run is not None and id(self.run) == gone:
            self.run = None
            self.detach()
            self.lost.emit()

    # Learning --------------------------------------------------------------------------------

    def _start(self) -> None:
        self._teacher.start()

    def _learn(self) -> None:
        run = self.run
        if run is None:
            return
        self._background.cancel_waiting()
        self._generation += 1
        generation, blocks, marks = self._generation, dict(self._found), self._marks
        colors: dict[str, str] = {}
        for mark in marks:
            colors.setdefault(mark.name, mark.color)
        grid, mpp_um, names = _map_of(run).grid, run.mpp_um, list(colors)

        def work() -> tuple[Lesson, int]:
            check_classes({name: sum(mark.name == name for mark in marks) for name in names})
            labels, missed = marked_in_blocks(blocks, grid, marks, names, mpp_um)
            counts = dict.fromkeys(names, 0)
            for *_, label in labels:
                counts[names[label]] += 1
            check_classes(counts, "marked cells that are found")
            for key, objects in blocks.items():
                if len(objects):
                    self._teacher.keep(_key(key), objects)
            return self._teacher.teach(labels, len(names), [mpp_um]), missed

        def done(result: tuple[Lesson, int]) -> None:
            if generation == self._generation:
                self._missed = result[1]
                self._take(result[0], colors)

        def failed(error: Exception) -> None:
            if generation == self._generation:
                self._on_failed(error)

        self._background.run(work, done, failed)

    def _take(self, lesson: Lesson, colors: dict[str, str]) -> None:
        run, base = self.run, self.base
        if run is None or base is None:
            return
        is_other = colors != self.colors
        self.lesson, self.colors = lesson, colors
        if is_other:
            self._show_classes(run, base, [*colors.items(), NOT_CLASSIFIED])
            for key, objects in self._found.items():
                self._put(run, key, self._not_told(objects))
        self.learned.emit(lesson)
        self._classify(list(self._found))
        self._suggest(lesson)

    def _classify(self, keys: Sequence[BlockKey]) -> None:
        """Have blocks classified, those in view first: they wait for no others."""
        run = self.run
        if run is None:
            return
        seen = set(_map_of(run).grid.covering(run.pane.canvas.view.box))
        ordered = sorted(keys, key=lambda key: key not in seen)
        first = sum(key in seen for key in ordered)
        bounds = [0, first, *range(first + _BLOCKS_AT_ONCE, len(ordered), _BLOCKS_AT_ONCE)]
        for begin, end in zip(bounds, [*bounds[1:], len(ordered)], strict=True):
            if part := ordered[begin:end]:
                self._classify_part(part, is_last=end == len(ordered))

    def _classify_part(self, keys: Sequence[BlockKey], *, is_last: bool) -> None:
        generation, classes = self._generation, len(self.colors)
        blocks = [(key, self._found[key]) for key in keys if key in self._found]

        def work() -> list[tuple[BlockKey, Objects]]:
            told: list[tuple[BlockKey, Objects]] = []
            for key, objects in blocks:
                if len(objects):
                    self._teacher.keep(_key(key), objects)
                    chances = self._teacher.chances(_key(key), classes)
                    told.append((key, with_classes(objects, chances)))
            return told

        def done(told: list[tuple[BlockKey, Objects]]) -> None:
            if generation != self._generation or self.run is None:
                return
            for key, objects in told:
                self._put(self.run, key, objects)
            self.run.changed.emit()
            if is_last:
                self.answered.emit()

        self._background.run(work, done, self._on_failed)

    def _suggest(self, lesson: Lesson) -> None:
        known = [(key, index) for key, index, _ in lesson.marks]

        def done(found: Suggested) -> None:
            if self.lesson is lesson:
                self.unsure = [self._told(*each) for each in found.unsure]
                self.different = [self._told(*each) for each in found.different]
                self.suggested.emit()

        self._background.run(
            lambda: self._teacher.suggested(_SUGGESTED, known), done, self._on_failed,
            urgency=Urgency.REST,
        )  # fmt: skip

    def _on_block(self, key: BlockKey) -> None:
        """Objects came: they are told apart, and marks on them are learned from."""
        run = self.run
        objects = None if run is None else _map_of(run).of_block(key)
        if run is None or objects is None:
            return
        self._found[key] = objects
        if self._marks and (self.lesson is None or self._missed):
            self._settle.start()
        if self.lesson is not None:
            self._put(run, key, self._not_told(objects))
            self._classify_part([key], is_last=False)

    def _on_failed(self, error: Exception) -> None:
        run = self.run
        self._forget_lesson()
        if run is not None:
            self._show_as_found(run)
        if not isinstance(error, TeachingError):
            raise error
        self.refused.emit(str(error))

    # What is shown ---------------------------------------------------------------------------

    def _show_as_found(self, run: Overlay) -> None:
        if self.base is None or run.origin is self.base:
            return
        self._show_classes(run, self.base, self.base.colors)
        for key, objects in self._found.items():
            self._put(run, key, objects)
        run.changed.emit()

    def _show_classes(
        self, run: Overlay, base: ModelBundle, colors: Sequence[tuple[str, str]]
    ) -> None:
        """Have the overlay, its legend, tables and files speak of these classes."""
        if list(colors) == base.colors:
            run.origin = base
        else:
            about = with_own_classes(base.description, dict(colors))
            run.origin = with_fields(base, description=about)
        shown = run.as_objects
        assert shown is not None
        shown.show_classes(list(colors))

    def _put(self, run: Overlay, key: BlockKey, objects: Objects) -> None:
        _map_of(run).put(key, objects)
        run.shown.refresh(key)

    def _not_told(self, objects: Objects) -> Objects:
        return replace(objects, classes=np.full(len(objects), len(self.colors), np.uint8))

    def _forget_lesson(self) -> None:
        self.lesson, self.colors, self._missed = None, {}, 0
        self.unsure, self.different = [], []

    def _told(self, key: ObjectsKey, index: int) -> GalleryField:
        """Return a cell with what it is called now, and how surely."""
        objects = None if self.run is None else _map_of(self.run).of_block(_block(key))
        text = ""
        if objects is not None and CHANCE in objects.measurements and index < len(objects):
            name = [*self.colors, NOT_CLASSIFIED[0]][int(objects.classes[index])]
            text = f"{name} {percent(float(objects.measurements[CHANCE][index]))}"
        return self._field(key, index, text)

    def _field(self, key: ObjectsKey, index: int, text: str) -> GalleryField:
        outline = self._found[_block(key)].outline(index)
        middle = Box(*outline.min(0).tolist(), *outline.max(0).tolist())
        side = 2.5 * max(middle.width, middle.height)
        return GalleryField(Box.around(middle.center, side, side), text)


def _map_of(run: Overlay) -> ObjectMap:
    found = run.found.as_objects
    assert found is not None
    return found


def _key(block: BlockKey) -> ObjectsKey:
    return 0, block.column, block.row


def _block(key: ObjectsKey) -> BlockKey:
    from viewer.overlays.blocks import BlockKey

    return BlockKey(*key[1:])
