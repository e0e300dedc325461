"""The annotations of one slide in one window: the document and the file that keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.annotations.document import Document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Edit
    from viewer.annotations.storage.autosave import Autosave, OpenedAnnotations
    from viewer.ui.background_runner import BackgroundRunner, Task


class SlideAnnotations(QObject):
    """Opened in a thread; whoever shows the slide in this window shares the one document.

    Parameters
    ----------
    disk
        Opens and closes files one after the other, so that a slide that is opened again finds its
        file let go of.
    author
        Who draws at this moment.
    former
        Where the slide's annotations are kept with the other setting of their place.
    """

    opened = Signal()
    """The document is there."""
    stepped = Signal(object)
    """A Step was done, undone or redone."""
    failed = Signal(str)
    """They cannot be opened; one sentence."""
    trouble_changed = Signal()
    """`trouble` or `notice` is another."""

    _trouble_came = Signal(str)
    _reload_came = Signal(object)
    _taken_over = Signal()

    def __init__(
        self,
        path: Path,
        disk: BackgroundRunner,
        author: Callable[[], str],
        parent: QObject,
        former: Path | None = None,
    ) -> None:
        from viewer.annotations.storage.autosave import open_annotations

        super().__init__(parent)
        self.path = path
        self.document = Document()
        self.is_open = False
        self.trouble = ""
        """Why what is drawn is not on the disk at this moment; "" when it is."""
        self.notice = ""
        """What to know of the file, such as that another window draws on the slide."""
        self._author = author
        self._disk = disk
        self._autosave: Autosave | None = None
        self._is_reloading = False
        self._trouble_came.connect(self._on_trouble)
        self._reload_came.connect(self._on_reload)
        self._taken_over.connect(self._on_taken_over)
        self.document.listen(self._on_step)
        self._task: Task = disk.run(
            lambda: open_annotations(path, former), self._on_opened, self._on_failed, _let_go
        )

    @property
    def is_saved(self) -> bool:
        """Return whether all that was done is on the disk."""
        return self._autosave is None or self._autosave.is_saved

    def flush(self) -> bool:
        """Waits for the disk; for worker threads."""
        return self._autosave is None or self._autosave.flush()

    def leave(self) -> None:
        """Writes what is left and lets go of the file, in a thread."""
        self._task.cancel()
        autosave, self._autosave = self._autosave, None
        if autosave is not None:
            self._disk.run(autosave.close, lambda _: None)

    # -----------------------------------------------------------------------------------------

    def _on_opened(self, opened: OpenedAnnotations) -> None:
        from viewer.annotations.storage.autosave import Autosave

        self._fill(opened.annotations)
        self.document.is_read_only = opened.is_read_only
        self.notice = opened.notice
        self._autosave = Autosave(
            opened, self._trouble_came.emit, self._reload_came.emit, self._taken_over.emit
        )
        self.is_open = True
        self.opened.emit()

    def _on_failed(self, error: Exception) -> None:
        self.failed.emit(str(error))

    def _on_step(self, step: Edit) -> None:
        if self._autosave is not None and not self._is_reloading:
            self._autosave.put(step, self._author())
        self.stepped.emit(step)

    def _on_trouble(self, problem: str) -> None:
        self.trouble = problem
        self.trouble_changed.emit()

    def _on_reload(self, annotations: list[Annotation]) -> None:
        """Another window drew, or the file was changed under us."""
        if self._autosave is not None:
            self._fill(annotations)

    def _on_taken_over(self) -> None:
        self.document.is_read_only = False
        self.notice = ""
        self.trouble_changed.emit()

    def _fill(self, annotations: list[Annotation]) -> None:
        self._is_reloading = True
        try:
            self.document.reset(annotations)
        finally:
            self._is_reloading = False


def _let_go(opened: OpenedAnnotations) -> None:
    opened.close()
