"""A pixel classifier that learns while strokes are painted, and what it answers on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Qt, QTimer, Signal

from viewer.canvas.layer import LayerOrder
from viewer.canvas.patch_layer import PatchLayer
from viewer.inference.teaching.errors import TeachingError
from viewer.ui.background_runner import BackgroundRunner, Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from viewer.geometry import Point
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.teaching.kept_marks import MarksAt
    from viewer.inference.teaching.live_map import LiveMap
    from viewer.inference.teaching.pixel_samples import PixelSamples
    from viewer.inference.teaching.pixel_settings import PixelSettings
    from viewer.inference.teaching.pixel_teacher import PixelTeacher, TaughtSlide
    from viewer.inference.teaching.taught_card import HeldOutFigures
    from viewer.overlays.blocks import BlockKey
    from viewer.slides.source import SlideSource
    from viewer.ui.slides.slide_pane import SlidePane

_SETTLE_MS = 60
"""After the view changed; a stroke is learned at once."""
_ESTIMATE_MS = 2500
"""After the last stroke: nobody who paints on waits for it."""


class Lesson(msgspec.Struct, frozen=True):
    """What is taught at a moment.

    Lessons are the same by what they are of, not by what all the marks in them are.
    """

    source: SlideSource
    mpp_um: float
    settings: PixelSettings
    marks: MarksAt

    @property
    def colors(self) -> Mapping[str, str]:
        """Return "#rrggbb" of each class."""
        return self.marks.colors


class LivePixels(QObject):
    """Teaches on one pane at a time; `shut_down` ends the process and the thread."""

    answered = Signal()
    """`map` is another."""
    refused = Signal(str)
    """Nothing is learned of the marks; one sentence says why."""
    estimated = Signal(object)
    """HeldOutFigures of what was learned."""
    saved = Signal(object, object)
    """The ModelBundle that was added, and all models."""
    not_saved = Signal(object)

    _block_came = Signal(int, object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.map: LiveMap | None = None
        self._layer = PatchLayer("Pixel classifier")
        self._background = BackgroundRunner("teach pixels", 1, self)
        self._teacher: PixelTeacher | None = None
        """Of the thread alone."""
        self._source: SlideSource | None = None
        self._taught: Lesson | None = None
        """What the process knows; of the thread alone."""
        self._pane: SlidePane | None = None
        self._lesson: Lesson | None = None
        self._focus: Point | None = None
        self._generation = 0
        self._task: Task | None = None
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._start)
        self._later = QTimer(self, singleShot=True, interval=_ESTIMATE_MS)
        self._later.timeout.connect(self._estimate)
        self._block_came.connect(self._on_block, Qt.ConnectionType.QueuedConnection)

    @property
    def pane(self) -> SlidePane | None:
        """Return the pane that is taught on; None while none is."""
        return self._pane

    def teach(self, pane: SlidePane, lesson: Lesson, focus: Point | None = None) -> None:
        """Learn of the marks on a pane, and answer for its view until `hide`.

        Parameters
        ----------
        focus
            Where answers are wanted first, level-0 pixels; by default in the middle of the view.
        """
        if pane is not self._pane:
            self.hide()
            self._pane = pane
            pane.canvas.view_changed.connect(self._on_view)
            pane.canvas.add_layer(self._layer, LayerOrder.HEATMAPS)
        if self._lesson is None or self._lesson.colors != lesson.colors or not self._is_on(lesson):
            self._show_nothing()
        self._lesson, self._focus = lesson, focus
        self._start()

    def hide(self) -> None:
        """Teach no more; the process ends."""
        pane, self._pane = self._pane, None
        self._stop()
        self._lesson = None
        self._show_nothing()
        if pane is not None:
            pane.canvas.view_changed.disconnect(self._on_view)
            pane.canvas.remove_layer(self._layer)
            pane.canvas.update()
            self._background.run(self._end_teacher, lambda _: None)

    def shut_down(self) -> None:
        """End the process and the thread."""
        self.hide()
        teacher = self._teacher
        if teacher is not None:
            teacher.close()
        self._background.close(finish=True)

    def save(self, name: str, who: str) -> None:
        """Keep what is taught as a model among those at hand, with an estimate of its error."""
        lesson = self._lesson
        if lesson is None:
            return
        self._later.stop()
        self._background.run(
            lambda: self._saved(lesson, name, who),
            lambda result: self.saved.emit(*result),
            self.not_saved.emit,
            keeps=f"The model {name}",
        )

    # The window's thread ---------------------------------------------------------------------

    def _is_on(self, lesson: Lesson) -> bool:
        known = self._lesson
        return known is not None and (known.source, known.settings, known.mpp_um) == (
            lesson.source,
            lesson.settings,
            lesson.mpp_um,
        )

    def _on_view(self, _view: object, _cause: str) -> None:
        self._focus = None
        self._settle.start()

    def _stop(self) -> None:
        self._generation += 1
        self._settle.stop()
        self._later.stop()
        self._background.cancel_waiting()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _start(self) -> None:
        from viewer.inference.teaching.live_map import field_blocks

        pane, lesson = self._pane, self._lesson
        if pane is None or lesson is None:
            return
        self._stop()
        slide = taught_slide(lesson)
        seen = pane.canvas.view.box.intersection(pane.canvas.slide_box)
        if seen.is_empty:
            return
        keys = field_blocks(slide.grid, seen, self._focus or seen.center)
        generation = self._generation
        self._task = self._background.run(
            lambda: self._answer(lesson, keys, generation),
            lambda _: self._later.start(),
            lambda error: self._on_failed(lesson, keys, error),
        )

    def _on_failed(self, lesson: Lesson, keys: Sequence[BlockKey], error: Exception) -> None:
        self._show_nothing()
        if lesson.marks:  # else the hint says what to do
            self.refused.emit(str(error))
        if isinstance(error, TeachingError):
            generation = self._generation
            self._task = self._background.run(
                lambda: self._look_ahead(lesson, keys, generation), lambda _: None, _say_nothing
            )

    def _on_block(self, generation: int, key: BlockKey, chances: NDArray[np.float16]) -> None:
        from viewer.inference.teaching.live_map import LiveMap

        pane, lesson = self._pane, self._lesson
        if generation != self._generation or pane is None or lesson is None:
            return
        blocks = {} if self.map is None else dict(self.map.blocks)
        blocks.pop(key, None)
        blocks[key] = chances
        seen = pane.canvas.view.box
        grid = taught_slide(lesson).grid
        # What is out of sight may be of strokes that are no more.
        shown = {k: each for k, each in blocks.items() if grid.core_box(k).intersects(seen)}
        self.map = LiveMap(grid, lesson.colors, shown)
        rgba, origin = self.map.picture()
        self._layer.show_colors(rgba, self.map.cell, smooth=False, origin=origin)
        pane.canvas.update()
        self.answered.emit()

    def _show_nothing(self) -> None:
        self.map = None
        self._layer.clear()
        if self._pane is not None:
            self._pane.canvas.update()

    def _estimate(self) -> None:
        lesson = self._lesson
        if lesson is not None and self.map is not None:
            self._task = self._background.run(
                lambda: self._estimated(lesson),
                self.estimated.emit,
                lambda error: self.refused.emit(str(error)),
            )

    # The thread that teaches -----------------------------------------------------------------

    def _answer(self, lesson: Lesson, keys: Sequence[BlockKey], generation: int) -> None:
        """Learn of the marks if they are others, and answer for blocks until others are asked."""
        slide, teacher = taught_slide(lesson), self._teacher_of(lesson)
        if self._taught != lesson:
            self._taught = None
            slides, samples, names = _marked(lesson)
            teacher.fit(slides, samples, names)
            self._taught = lesson
        for key in keys:
            if generation != self._generation:
                return
            self._block_came.emit(generation, key, teacher.chances(slide, key))

    def _look_ahead(self, lesson: Lesson, keys: Sequence[BlockKey], generation: int) -> None:
        """Have the features of the view ready for the stroke that makes two classes of one."""
        slide, teacher = taught_slide(lesson), self._teacher_of(lesson)
        for key in keys:
            if generation != self._generation:
                return
            teacher.see(slide, key)

    def _estimated(self, lesson: Lesson) -> HeldOutFigures:
        return self._teacher_of(lesson).estimate(*_marked(lesson))

    def _saved(self, lesson: Lesson, name: str, who: str) -> tuple[ModelBundle, list[ModelBundle]]:
        from viewer.inference.models.model_library import all_models
        from viewer.inference.teaching.adding import add_taught
        from viewer.inference.teaching.pixel_training import (
            TaughtPixels,
            pixel_card,
            write_pixel_classifier,
        )

        slides, samples, names = _marked(lesson)
        teacher = self._teacher_of(lesson)
        weights = teacher.fit(slides, samples, names)
        self._taught = lesson
        figures = teacher.estimate(slides, samples, names)
        counts = lesson.marks.counts
        identity = lesson.source.info.identity
        card = pixel_card(who, {name: counts[name] for name in names}, [identity], figures)
        taught = TaughtPixels(weights, lesson.settings, lesson.colors, card)
        added = add_taught(lambda folder: write_pixel_classifier(folder, taught, name))
        return added, all_models()

    def _teacher_of(self, lesson: Lesson) -> PixelTeacher:
        from viewer.inference.teaching.pixel_teacher import PixelTeacher

        teacher = self._teacher
        if teacher is not None and (teacher.settings, self._source) == (
            lesson.settings, lesson.source,
        ):  # fmt: skip
            return teacher
        self._end_teacher()
        self._teacher, self._source = PixelTeacher(lesson.settings), lesson.source
        return self._teacher

    def _end_teacher(self) -> None:
        teacher, self._teacher, self._taught = self._teacher, None, None
        if teacher is not None:
            teacher.close()


def _say_nothing(_: Exception) -> None:
    """Leave it to the next stroke, which fails in the same way and says so."""


def taught_slide(lesson: Lesson) -> TaughtSlide:
    """Return the slide of a lesson as its settings look at it."""
    from viewer.inference.teaching.pixel_teacher import TaughtSlide

    return TaughtSlide.of(lesson.source, lesson.mpp_um, lesson.settings)


def _marked(lesson: Lesson) -> tuple[list[TaughtSlide], list[PixelSamples], list[str]]:
    """Return the slide of a lesson, its marked pixels, and the names of the classes.

    Raises
    ------
    TeachingError
        The marks teach nothing.
    """
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.inference.teaching.marks import check_classes, check_on_slide
    from viewer.inference.teaching.pixel_samples import pixel_samples

    slide, names, marks = taught_slide(lesson), list(lesson.colors), list(lesson.marks)
    check_on_slide([mark.geometry for mark in marks], SlidePlace.of(lesson.source))
    check_classes(lesson.marks.counts, "strokes")
    return [slide], [pixel_samples(marks, names, slide.grid, lesson.mpp_um)], names
