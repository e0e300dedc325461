"""What is sealed is opened a line at a time: sets of a study grow beyond what a machine holds."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import shapely

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import Stamped
from viewer.files import kept_lines
from viewer.limits import Limit
from viewer.studies.answers import AnswerFile, all_answers, keep_answers, write_answers
from viewer.studies.project import Project
from viewer.studies.project_file import create_project
from viewer.studies.unsealing import unseal_study

EDITS = 40
RING = shapely.Point(0, 0).buffer(100, quad_segs=4000)


class Reversed:
    """Seals by turning bytes round."""

    def seal(self, body: bytes, about: bytes) -> str:
        return (about + body)[::-1].hex()

    def unseal(self, sealed: str, about: bytes) -> bytes | None:
        return bytes.fromhex(sealed)[::-1].removeprefix(about)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    create_project(tmp_path / "study", Project())
    return tmp_path / "study"


def drawn(study: Path, sealer: Reversed | None) -> AnnotationSet:
    which = AnnotationSet(study, "slide-1", SetKey("Ann"))
    store = SetStore(which, sealer)
    for _ in range(EDITS):
        store.write([Stamped.now(adding("Draw", [Annotation(RING).signed("Ann")]), "Ann")])
    store.close()
    return which


@pytest.mark.parametrize("publish", [False, True])
def test_sets_are_opened_with_the_memory_of_a_few_lines(study: Path, publish: bool) -> None:
    which = drawn(study, Reversed())
    size_bytes = sum(each.stat().st_size for each in which.files_folder.iterdir())
    assert size_bytes > 20 << 20
    tracemalloc.start()
    try:
        found = unseal_study(study, Reversed(), publish=publish)
        assert tracemalloc.get_traced_memory()[1] < size_bytes / 3
    finally:
        tracemalloc.stop()
    assert (found.sets, found.edits, found.closed) == (1, EDITS, 0)
    plain = SetStore(which, read_only=True).annotations()[0]
    assert len(plain) == (EDITS if publish else 0)
    assert all(each.geometry.equals(RING) for each in plain)


def test_what_is_not_sealed_is_written_no_second_time(study: Path) -> None:
    which = drawn(study, None)
    before = sorted(which.files_folder.iterdir())
    found = unseal_study(study, Reversed(), publish=True)
    assert (found.sets, found.edits, found.closed) == (0, 0, 0)
    assert sorted(which.files_folder.iterdir()) == before


def test_a_line_without_end_is_refused_in_a_sentence(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn(study, Reversed())
    short = Limit(100_000, kept_lines.LINE_BYTES.text)
    monkeypatch.setattr(kept_lines, "LINE_BYTES", short)
    with pytest.raises(OSError, match="is longer than 100,000 bytes"):
        unseal_study(study, Reversed(), publish=False)


@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o700, 0o600), (0o750, 0o640)])
def test_opened_answers_may_be_read_by_whom_the_folder_may(
    study: Path, folder_mode: int, file_mode: int
) -> None:
    study.chmod(folder_mode)
    sheet = AnswerFile(study, "Ann", "slide-1", "a.svs", sealer=Reversed)
    keep_answers(sheet, [sheet.given("form", "question", "=1+1")])
    assert unseal_study(study, Reversed(), publish=True).closed == 0
    modes = {path.stat().st_mode & 0o777 for path in sheet.files()}
    assert (len(sheet.files()), modes) == (2, {file_mode})
    write_answers(study / "out.csv", Project(), all_answers(study))
    assert ",'=1+1," in (study / "out.csv").read_text(), "no spreadsheet runs it"
