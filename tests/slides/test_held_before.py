"""What files held when they were last open: kept of those that were opened last."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING

from killed_at_steps import kill_at_each_step

from viewer.folders import data_folder
from viewer.slides import held_before, open_slide

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_FORGET = """
from pathlib import Path
from viewer.slides import held_before, open_slide
held_before._MOST, held_before._LEFT = 4, 2
held_before._forget_oldest(Path(sys.argv[1]))
"""


def _keep(folder: Path, count: int) -> list[Path]:
    """Keep what other files held, the first of them opened longest ago."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [folder / f"{number}.json" for number in range(count)]
    for number, path in enumerate(kept):
        path.write_text(json.dumps({"identity": f"slide {number}"}))
        os.utime(path, (number, number))
    return kept


def test_what_was_not_opened_for_longest_goes(
    own_home: Path, sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_before, "_MOST", 4)
    monkeypatch.setattr(held_before, "_LEFT", 2)
    folder = data_folder() / "held-before"
    kept = _keep(folder, 3)
    with closing(open_slide(sample_slide)) as source:
        source.info.learn_identity()
        held_before.note_held(source)
        (own,) = set(folder.iterdir()) - set(kept)
        assert all(path.exists() for path in kept), "not more than are kept"
        os.utime(own, (0, 0))
        held_before.note_held(source)
        assert own.stat().st_mtime > 0, "it was opened again"
        own.unlink()
        _keep(folder, 4)
        held_before.note_held(source)
        assert set(folder.iterdir()) == {folder / "3.json", own}
        assert held_before.held_before(source) == source.info.identity


def test_a_program_that_is_killed_while_it_forgets_leaves_the_others_whole(tmp_path: Path) -> None:
    folder = tmp_path / "held-before"

    def check() -> None:
        left = sorted(folder.iterdir())
        assert {path.name for path in left} >= {"3.json", "4.json"}, "the newest"
        for path in left:
            assert json.loads(path.read_text())["identity"] == f"slide {path.stem}"

    steps = kill_at_each_step(folder, _FORGET, lambda: _keep(folder, 5), check)
    assert steps == 3, "one for each that goes"
