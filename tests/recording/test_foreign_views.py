"""Views in columns are the views that were put in; a log is read in pieces as in one."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_lines import read_lines

from viewer.recording.events import Viewport
from viewer.recording.importers import log_text
from viewer.recording.importers.foreign_views import ForeignView, ForeignViews
from viewer.recording.importers.importing import import_log
from viewer.recording.importers.log_text import LogText
from viewer.recording.session import read_header

_places = st.floats(-1e6, 1e6)
_views = st.builds(
    lambda x, y, width, turn, downsample, magnification: Viewport(
        x, y, width, width / 2, turn, False, downsample, None, magnification, "import", True
    ),
    _places, _places, st.floats(1, 1e5), st.sampled_from([0.0, 90.0]),
    st.sampled_from([1.0, 2.5]), st.sampled_from([None, 10.0]),
)  # fmt: skip
_seen = st.builds(
    ForeignView,
    st.integers(-(10**12), 10**12),
    _views,
    st.none() | st.tuples(_places, _places),
)


@given(st.lists(_seen, max_size=8), st.randoms())
def test_views_come_out_as_they_went_in(seen: list[ForeignView], chance: random.Random) -> None:
    views = ForeignViews(seen)
    assert list(views) == seen
    order = list(range(len(seen)))
    chance.shuffle(order)
    views.reorder(np.array(order, np.intp))
    views.shift(10.0, -5.0)
    assert len(views) == len(seen)
    for got, at in zip(views, order, strict=True):
        want = seen[at]
        moved = msgspec.structs.replace(want.view, x=want.view.x + 10.0, y=want.view.y - 5.0)
        assert (got.at_ns, got.view) == (want.at_ns, moved)
        pointer = want.pointer
        assert got.pointer == (None if pointer is None else (pointer[0] + 10, pointer[1] - 5))


def test_lines_are_those_of_the_whole_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a\r\nbä\n\n" + "long " * 50 + "\rend\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(text.encode(encoding))
        monkeypatch.setattr(log_text, "_PIECE_BYTES", 7)
        wanted = text.replace("\r\n", "\n").replace("\r", "\n")
        assert list(LogText(path).lines()) == wanted.split("\n")
        assert LogText(path).whole() == wanted


def test_a_log_of_many_rows_is_taken_in_row_by_row(own_home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rows = [f"{n * 0.5},{n},{2 * n},100,80,{'' if n % 3 else n}" for n in range(5000)]
    log.write_text("\n".join(["time,x,y,width,height,cursor_x", *rows]))
    (session,) = import_log(log, tmp_path / "sessions")
    folder = tmp_path / "sessions" / session
    views = [each.event for each in read_lines(folder) if isinstance(each.event, Viewport)]
    assert [view.x for view in views] == list(map(float, range(5000)))
    assert read_header(folder).slide.width_px == 4999 + 100
    notes: list[str] = []
    assert import_log(log, tmp_path / "sessions", notes=notes) == [session]
    assert "imported already" in notes[0]
