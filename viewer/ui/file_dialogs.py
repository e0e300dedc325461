"""The dialogs that ask for a file to open, a file to write or a folder.

None of them blocks: each opens over its window and calls back with what was chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog

from viewer.ui.opened_dialog import confirm, open_dialog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PySide6.QtWidgets import QWidget

ALL_FILES = "All files (*)"


def ask_file(
    parent: QWidget,
    title: str,
    take: Callable[[Path], object],
    *,
    start: Path | None = None,
    filters: Sequence[str] = (),
    hides_endings: bool = False,
) -> None:
    """Ask for a file that exists, beginning in the folder `start`, and hand it to `take`.

    `hides_endings` where the filters have more of them than can be shown.
    """
    dialog = _reading(parent, title, start, filters)
    dialog.setOption(QFileDialog.Option.HideNameFilterDetails, hides_endings)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.fileSelected.connect(lambda name: take(Path(name)))
    open_dialog(dialog)


def ask_files(
    parent: QWidget,
    title: str,
    take: Callable[[list[Path]], object],
    *,
    start: Path | None = None,
    filters: Sequence[str] = (),
    hides_endings: bool = False,
) -> None:
    """Ask for files that exist, as `ask_file` does for one, and hand them to `take`."""
    dialog = _reading(parent, title, start, filters)
    dialog.setOption(QFileDialog.Option.HideNameFilterDetails, hides_endings)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    dialog.filesSelected.connect(lambda names: take([Path(name) for name in names]))
    open_dialog(dialog)


def ask_folder(
    parent: QWidget,
    title: str,
    take: Callable[[Path], object],
    *,
    start: Path | None = None,
    shows_files: bool = False,
) -> None:
    """Ask for a folder that exists, beginning in `start`, and hand it to `take`."""
    dialog = _dialog(parent, title, start)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly, not shows_files)
    dialog.fileSelected.connect(lambda name: take(Path(name)))
    open_dialog(dialog)


def ask_new_file(
    parent: QWidget,
    title: str,
    take: Callable[[Path, str], object],
    *,
    formats: Mapping[str, str],
    start: Path | None = None,
    stem: str = "",
    first: str = "",
) -> None:
    """Ask where to write a file, and hand it to `take` with the filter that was chosen.

    Parameters
    ----------
    formats
        The ending of a file, such as ".csv", by the filter that is shown for it. A name without
        an ending gets that of the chosen filter; one that is typed with the ending of another
        filter chooses that one.
    stem
        What the file is called at first, without the ending.
    first
        The filter that is chosen at first; by default the first of `formats`.
    """
    dialog = _dialog(parent, title, start)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters(list(formats))

    def show_ending(chosen: str) -> None:
        ending = formats[chosen].removeprefix(".")
        if ending == dialog.defaultSuffix():
            return
        dialog.setDefaultSuffix(ending)
        if stem:
            dialog.selectFile(f"{stem}.{ending}")

    first = first or next(iter(formats))
    dialog.selectNameFilter(first)
    show_ending(first)
    dialog.filterSelected.connect(show_ending)

    def selected(name: str) -> None:
        path, chosen = _completed(Path(name), dialog.selectedNameFilter(), formats)
        if path == Path(name) or not path.exists():
            take(path, chosen)
            return
        confirm(  # the dialog asked of the name without its ending
            parent,
            title,
            f"{path.name} already exists.",
            "Replace it?",
            "Replace",
            lambda: take(path, chosen),
        )

    dialog.fileSelected.connect(selected)
    open_dialog(dialog)


def ask_place(parent: QWidget, title: str, take: Callable[[Path], object], former: Path) -> None:
    """Ask where to write in place of `former`, and hand it to `take`; one that exists may be it."""
    dialog = _dialog(parent, title, former.parent)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)
    dialog.selectFile(former.name)
    dialog.fileSelected.connect(lambda name: take(Path(name)))
    open_dialog(dialog)


def _completed(path: Path, chosen: str, formats: Mapping[str, str]) -> tuple[Path, str]:
    """Return a typed path with an ending, and the filter that stands for that ending."""
    name = path.name.lower()
    if name.endswith(formats[chosen]):
        return path, chosen
    meant = [each for each, ending in formats.items() if name.endswith(ending)]
    if meant:
        return path, max(meant, key=lambda each: len(formats[each]))
    # "S23.1234" and "Dr. Smith" have no ending, though Qt takes what is behind the dot for one.
    if path.suffix.removeprefix(".").isalpha():
        return path, chosen
    return path.with_name(f"{path.name}{formats[chosen]}"), chosen


def _reading(
    parent: QWidget, title: str, start: Path | None, filters: Sequence[str]
) -> QFileDialog:
    dialog = _dialog(parent, title, start)
    if filters:
        dialog.setNameFilters(list(filters))
    return dialog


def _dialog(parent: QWidget, title: str, start: Path | None) -> QFileDialog:
    return QFileDialog(parent, title, "" if start is None else str(start))
