"""Annotations on the clipboard, as GeoJSON that other programs read and write too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication

from viewer.annotations import operations
from viewer.annotations.formats.problems import AnnotationFileError, Problem, Problems
from viewer.ui.annotations.bulk_edits import MANY
from viewer.ui.annotations.wording import many

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Edit
    from viewer.ui.actions import ActionSet
    from viewer.ui.annotations.bulk_edits import BulkEdits
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.services import MessageHost


_NOTHING = "There are no annotations on the clipboard."


class AnnotationClipboard:
    """Copies what is chosen in the active pane, and pastes.

    Parameters
    ----------
    active
        The annotations of the active pane; None where it has none.
    bulk
        Pastes very many.
    """

    def __init__(
        self,
        window: MessageHost,
        active: Callable[[], PaneAnnotations | None],
        bulk: BulkEdits,
        background: BackgroundRunner,
    ) -> None:
        self._window = window
        self._active = active
        self._bulk = bulk
        self._background = background

    def connect(self, commands: ActionSet) -> None:
        """Follow the commands of the Edit menu."""
        commands.on("edit.copy", self._copy)
        commands.on("edit.paste", self._paste)

    def _copy(self) -> None:
        from viewer.annotations.formats.qupath_writing import qupath_text

        active = self._active()
        if active is None or not len(active.selection):
            return
        state, ids = active.document.snapshot(), active.selection.ids
        self._background.run(
            lambda: qupath_text(list(state.of(ids))),
            lambda text: self._on_copied(text, len(ids)),
        )

    def _on_copied(self, text: str, count: int) -> None:
        QGuiApplication.clipboard().setText(text)
        self._window.say(f"{many(count)} copied as GeoJSON.")

    def _paste(self) -> None:
        from viewer.annotations.formats.qupath import read_qupath_text

        active = self._active()
        text = QGuiApplication.clipboard().text()
        if active is None:
            return
        if not text.strip():
            self._window.say(_NOTHING)
            return
        problems = Problems()
        self._background.run(
            lambda: read_qupath_text(text, problems),
            lambda read: self._on_pasted(active, read, problems),
            self._on_not_pasted,
        )

    def _on_pasted(
        self, active: PaneAnnotations, read: list[Annotation], problems: list[Problem]
    ) -> None:
        if active is not self._active():
            return
        left_out = sum(not problem.is_repaired for problem in problems)
        if not read:
            self._window.say(_NOTHING)
            return

        def chosen(edit: Edit) -> None:
            active.selection.choose(edit.added_ids)
            unread = f" {left_out} could not be read." if left_out else ""
            self._window.say(f"{many(len(read))} pasted.{unread}")

        slide, author, plane = active.pane.canvas.slide_box, active.author, active.pane.canvas.plane
        if len(read) > MANY:
            self._bulk.do(
                active.document,
                "Paste",
                len(read),
                lambda _: active.desk.followed(operations.paste(read, slide, author), plane),
                chosen,
            )
            return
        step = operations.paste(read, slide, author)
        if active.do(step):
            chosen(step)

    def _on_not_pasted(self, error: Exception) -> None:
        known = isinstance(error, AnnotationFileError)
        self._window.say(_NOTHING if known else str(error))
