"""Tables on the clipboard, as spreadsheets (tabs) and word processors (HTML) paste them."""

from __future__ import annotations

import atexit
import html
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QGuiApplication

from viewer.cell_text import text_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

_shown_text = ""
"""Of what was copied last."""
_BREAKS = str.maketrans({"\t": " ", "\r": " ", "\n": " "})


def copy_table(
    rows: Sequence[Sequence[str | float]], *, text: str = "", has_header: bool = True
) -> None:
    """Put rows on the clipboard as an HTML table, and as `text` or as text with tabs."""
    cells = [[_text(cell) for cell in row] for row in rows]
    data = QMimeData()
    data.setText(text or "".join("\t".join(row) + "\n" for row in cells))
    data.setHtml(_html(cells, has_header=has_header))
    global _shown_text
    if not _shown_text:
        atexit.register(_leave_text)
    _shown_text = data.text()
    QGuiApplication.clipboard().setMimeData(data)


def _text(cell: str | float) -> str:
    """No text opens a formula or a further cell."""
    if isinstance(cell, str):
        return text_cell(cell.translate(_BREAKS))
    return f"{cell:.10g}"


def _html(rows: Sequence[Sequence[str]], *, has_header: bool) -> str:
    lines: list[str] = []
    for number, row in enumerate(rows):
        tag = "th" if has_header and number == 0 else "td"
        cells = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return f'<meta charset="utf-8"><table border="1">{"".join(lines)}</table>'


def _leave_text() -> None:
    """Leave the text alone on the clipboard: Qt lets go of it when Python is gone.

    The destructor of an object that was made in Python would then end the program with a crash.
    """
    clipboard = QGuiApplication.clipboard() if QGuiApplication.instance() is not None else None
    if clipboard is not None and clipboard.text() == _shown_text:
        clipboard.setText(_shown_text)
