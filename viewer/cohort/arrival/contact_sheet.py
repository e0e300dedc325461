"""A table and a contact sheet of checked slides, those with the most trouble first."""

from __future__ import annotations

import csv
import io
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from viewer.access import OWNER_FILE
from viewer.cell_text import row_cells
from viewer.cohort.arrival.trouble import troubles
from viewer.files.atomic_write import atomic_write_bytes
from viewer.plain_text import shown_line
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.cohort.arrival.checking import SlideCheck
    from viewer.cohort.arrival.trouble import Trouble

TABLE_FILE, SHEET_FILE = "checks.csv", "contact-sheet.html"
_COLUMNS = (
    "name", "error", "tissue_mm2", "tissue_share", "blur", "pen", "fold", "hematoxylin", "eosin",
    "mpp_um", "magnification", "width_px", "height_px", "key", "path", "at_utc",
)  # fmt: skip
_STYLE = """
body{font:13px system-ui,sans-serif;margin:16px;color:#222;background:#fff}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:12px}
article{border:1px solid #bbb;border-radius:4px;padding:8px}
article.bad{border:2px solid #b3261e}
img{width:100%;height:180px;object-fit:contain;background:#eee}
h2{font-size:13px;margin:6px 0 2px;overflow-wrap:anywhere}
p{margin:2px 0}
"""


def write_contact_sheet(
    out: Path, folder: Path, checks: Sequence[SlideCheck],
    picture_of: Callable[[SlideCheck], Path],
) -> None:  # fmt: skip
    """Write checks.csv and contact-sheet.html. Raises OSError."""
    ranked = sorted(
        zip(checks, troubles(checks), strict=True), key=lambda each: (-each[1].score, each[0].name)
    )
    atomic_write_bytes(out / TABLE_FILE, _table(ranked), mode=OWNER_FILE)
    cards = "".join(_card(check, trouble, picture_of(check)) for check, trouble in ranked)
    title = f"{plural(len(checks), 'slide')} of {folder}"
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style>"
        f"<h1>{_text(title)}</h1><p>Most trouble first. Shares are of the tissue.</p>"
        f"<main>{cards}</main></html>\n"
    )
    atomic_write_bytes(out / SHEET_FILE, page.encode(), mode=OWNER_FILE)


def _table(ranked: Sequence[tuple[SlideCheck, Trouble]]) -> bytes:
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(["trouble", "reasons", *_COLUMNS, "notes"])
    for check, trouble in ranked:
        values = [getattr(check, name) for name in _COLUMNS]
        row = [trouble.score, "; ".join(trouble.reasons), *values, " ".join(check.notes)]
        writer.writerow(row_cells(row))
    return sink.getvalue().encode()


def _card(check: SlideCheck, trouble: Trouble, picture: Path) -> str:
    image = ""
    if picture.is_file():
        address = quote(f"{picture.parent.name}/{picture.name}")
        image = f'<img src="{address}" alt="{_text(check.name)}">'
    reasons = "".join(f"<p>{_text(reason)}</p>" for reason in trouble.reasons) or "<p>Good</p>"
    area = "" if check.tissue_mm2 is None else f"<p>Tissue {check.tissue_mm2:,.1f} mm²</p>"
    kind = ' class="bad"' if trouble.reasons else ""
    return f"<article{kind}>{image}<h2>{_text(check.name)}</h2>{reasons}{area}</article>"


def _text(text: str) -> str:
    """Return text of files as text of a page: it is no markup."""
    return escape(shown_line(text))
