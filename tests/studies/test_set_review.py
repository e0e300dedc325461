"""Sets handed in and judged, the consensus of readers, and classes that are renamed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import shapely
from cli_steps import invoke

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.consensus import READERS, VOTES, consensus
from viewer.annotations.document import adding
from viewer.annotations.palette import PaletteClass
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import Stamped
from viewer.files.kept_lines import append_lines
from viewer.studies.project import Project, ProjectSlide, renaming_class
from viewer.studies.project_file import change_project, create_project, read_project
from viewer.studies.review_store import ReviewStore
from viewer.studies.set_review import ObjectEvent, counts, queue
from viewer.studies.study_reader import study_reader

TUMOR, STROMA = AnnotationClass("Tumor"), AnnotationClass("Stroma")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def square(x: float, y: float = 0, side: float = 10, of: AnnotationClass = TUMOR) -> Annotation:
    return Annotation(shapely.box(x, y, x + side, y + side), shown_as=of)


def drawn_by(folder: Path, reader: str, *annotations: Annotation) -> AnnotationSet:
    which = AnnotationSet(folder, "slide-1", SetKey(reader))
    store = SetStore(which)
    store.write([Stamped.now(adding("Draw", [a.signed(reader) for a in annotations]), reader)])
    store.close()
    return which


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    slides = (ProjectSlide(identity="slide-1", path="1.svs"),)
    palette = (PaletteClass("Tumor", "#c80000"), PaletteClass("Stroma", "#96c896"))
    create_project(tmp_path / "p", Project(slides=slides, palette=palette))
    return tmp_path / "p"


def test_a_set_is_handed_in_returned_with_comments_and_approved(folder: Path) -> None:
    which = drawn_by(folder, "Ann", square(0), square(20), square(40))
    drawn = SetStore(which, read_only=True).annotations()[0]
    annotator, reviewer = ReviewStore(which, "Ann"), ReviewStore(which, "Bo")
    assert annotator.read().status == "drawing"
    annotator.say("handed in", "please")
    review = reviewer.read()
    assert (review.status, review.by, review.comment) == ("handed in", "Ann", "please")
    reviewer.judge(drawn[0], "approved", spent_s=3.5)
    reviewer.judge(drawn[1], "returned", "too wide", spent_s=2)
    reviewer.judge(drawn[1], None, spent_s=1.25)
    reviewer.say("returned", "one to correct")
    review = annotator.read()
    said = review.of(drawn[1])
    assert said is not None
    assert (said.verdict, said.comment, said.by) == ("returned", "too wide", "Bo")
    assert counts(drawn, review) == {"approved": 1, "returned": 1, "open": 1}
    assert [each.id for each in queue(drawn, review)] == [drawn[2].id, drawn[0].id, drawn[1].id]
    assert review.spent_s["Bo", drawn[1].id.hex] == 3.25
    assert review.seconds(drawn[0].id) == 3.5
    # What is changed after it was judged waits for a verdict again.
    corrected = drawn[1].noted("Modified", "2030-01-01T00:00:00+00:00")
    assert review.is_open(corrected)
    assert not review.is_open(drawn[0])
    # Taken back.
    news = reviewer.judge(drawn[0], "")
    assert news.objects[drawn[0].id.hex].verdict == ""
    assert reviewer.read().is_open(drawn[0])


def test_two_reviewers_write_files_of_their_own_and_a_torn_line_costs_itself(folder: Path) -> None:
    which = drawn_by(folder, "Ann", square(0))
    (drawn,) = SetStore(which, read_only=True).annotations()[0]
    first, second = ReviewStore(which, "Bo"), ReviewStore(which, "Cy")
    first.judge(drawn, "returned", "no")
    second.judge(drawn, "approved")
    files = sorted((folder / "reviews").rglob("*.lines"))
    assert len(files) == 2
    # The later word holds, whoever reads, also after a crash tore a line.
    for path in files:
        with path.open("ab") as file:
            file.write(b'0badc0de ["object",1,"X"')
    for person in ("Ann", "Bo", "Cy"):
        said = ReviewStore(which, person).read().of(drawn)
        assert said is not None
        assert (said.verdict, said.by) == ("approved", "Cy")
    first.judge(drawn, "returned")
    said = second.read().of(drawn)
    assert said is not None
    assert said.by == "Bo"


def test_an_event_of_a_clock_behind_is_sorted_in_and_told(folder: Path) -> None:
    """What goes on from the last event says the same as all events read anew."""
    which = drawn_by(folder, "Ann", square(0), square(20), square(40))
    drawn = SetStore(which, read_only=True).annotations()[0]
    ids = [each.id.hex for each in drawn]
    mine = ReviewStore(which, "Bo")
    mine.judge(drawn[0], "returned", "first", 1.0)
    # Cy knows nothing of a clock that is a day ahead, and so writes before it.
    mine._last = (mine._last[0] + 86_400_000_000, "Bo")
    mine.judge(drawn[1], "approved", spent_s=2.0)
    theirs = ReviewStore(which, "Cy")
    theirs.judge(drawn[2], "returned", "theirs", 4.0)
    late = ObjectEvent(mine._last[0] - 1, "Cy", ids[1], "returned", "late", "", 8.0)
    append_lines(next((folder / "reviews").rglob("*.lines")), [msgspec.json.encode(late)])
    news = mine.judge(drawn[0], None, spent_s=16.0)
    assert news.objects.keys() == set(ids)
    assert (news.objects[ids[1]].verdict, news.objects[ids[2]].by) == ("approved", "Cy")
    assert news.together_s == {ids[0]: 17.0, ids[1]: 10.0, ids[2]: 4.0}
    assert mine.read() == ReviewStore(which, "Di").read()
    assert mine.say("returned").objects == {}


class _Xor:
    """A sealer that only opens with its own key."""

    def __init__(self, key: int) -> None:
        self.key = key

    def seal(self, body: bytes, about: bytes) -> str:
        return bytes(b ^ self.key for b in about + b"|" + body).hex()

    def unseal(self, sealed: str, about: bytes) -> bytes | None:
        whole = bytes(b ^ self.key for b in bytes.fromhex(sealed))
        return whole.removeprefix(about + b"|") if whole.startswith(about + b"|") else None


def test_what_is_sealed_stays_so_without_the_key(folder: Path) -> None:
    which = drawn_by(folder, "Ann", square(0))
    (drawn,) = SetStore(which, read_only=True).annotations()[0]
    ReviewStore(which, "Bo", _Xor(7)).judge(drawn, "returned", "secret words")
    (path,) = (folder / "reviews").rglob("*.lines")
    assert b"secret" not in path.read_bytes()
    closed = ReviewStore(which, "Ann", _Xor(9))
    assert closed.read().objects == {}
    assert closed.sealed_count == 1
    assert ReviewStore(which, "Ann", _Xor(7)).read().objects


def test_what_most_readers_drew_is_the_consensus() -> None:
    first = [square(0), square(100), square(200, of=STROMA)]
    second = [square(1), square(200)]
    third = [square(0, 1), square(102), square(300)]
    found = consensus([first, second, third])
    assert {each.class_name for each in found} == {"Tumor"}
    by_votes = {each.measurements[VOTES]: each for each in found}
    assert set(by_votes) == {2.0, 3.0}
    assert {each.measurements[READERS] for each in found} == {3.0}
    # Three drew it: it covers what two of them cover.
    two_of_three = shapely.union_all([
        shapely.box(1, 0, 10, 10), shapely.box(0, 1, 10, 10), shapely.box(1, 1, 10, 10),
    ])  # fmt: skip
    assert by_votes[3.0].geometry.symmetric_difference(two_of_three).area < 1e-6
    # Two drew it: it covers what both cover.
    assert by_votes[2.0].geometry.equals(shapely.box(102, 0, 110, 10))


def test_an_area_that_readers_divided_otherwise_counts_by_place() -> None:
    whole = [Annotation(shapely.box(0, 0, 100, 10), shown_as=TUMOR)]
    halves = [
        Annotation(shapely.box(0, 0, 40, 10), shown_as=TUMOR),
        Annotation(shapely.box(40, 0, 100, 10), shown_as=TUMOR),
    ]
    thirds = [
        Annotation(shapely.box(0, 0, 34, 10), shown_as=TUMOR),
        Annotation(shapely.box(36, 0, 66, 10), shown_as=TUMOR),
    ]
    found = consensus([whole, halves, thirds])
    covered = shapely.union_all([each.geometry for each in found])
    assert covered.symmetric_difference(shapely.box(0, 0, 100, 10)).area < 1e-6
    assert consensus([[square(0)], [square(50)]]) == []
    assert consensus([]) == []
    bowtie = Annotation(shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]), shown_as=TUMOR)
    assert len(consensus([[bowtie], [bowtie]])) >= 1


def test_touching_objects_stay_apart_in_the_consensus() -> None:
    readers = [[square(0), square(10), square(20)] for _ in range(3)]
    found = consensus(readers)
    assert sorted(each.geometry.bounds[0] for each in found) == [0.0, 10.0, 20.0]


def test_a_class_is_renamed_in_the_sets_of_all_and_in_what_is_drawn_later(folder: Path) -> None:
    sub = square(60, of=AnnotationClass("Tumor: Positive"))
    drawn_by(folder, "Ann", square(0), square(20, of=STROMA))
    drawn_by(folder, "Bo", square(40), sub)
    change_project(folder, renaming_class("Tumor", "Carcinoma"))
    project = read_project(folder)
    assert [each.name for each in project.palette] == ["Carcinoma", "Stroma"]

    def names(reader: str) -> list[str]:
        asks = study_reader(folder, read_project(folder), "Ann")
        (which,) = [each for each in asks.all_sets() if each.key.reader == reader]
        drawn, _ = SetStore(which, read_only=True).annotations()
        return [each.class_name for each in drawn]

    assert names("Ann") == ["Carcinoma", "Stroma"]
    assert names("Bo") == ["Carcinoma", "Carcinoma: Positive"]
    # Somebody whose window does not know it yet draws under the former name.
    drawn_by(folder, "Bo", square(80))
    change_project(folder, renaming_class("Carcinoma", "Cancer"))
    assert names("Bo") == ["Cancer", "Cancer: Positive", "Cancer"]
    # Into one that is there: both are one class then.
    change_project(folder, renaming_class("Stroma", "Cancer"))
    assert [each.name for each in read_project(folder).palette] == ["Cancer"]
    assert names("Ann") == ["Cancer", "Cancer"]


def test_reviews_consensus_and_renames_by_command_line(folder: Path) -> None:

    def coverslip(*words: str) -> str:
        done = invoke(["projects", *words, "--json"])
        assert done.exit_code == 0, done.output
        return done.stdout

    which = drawn_by(folder, "Ann", square(0), square(20))
    drawn_by(folder, "Bo", square(0), square(40))
    drawn = SetStore(which, read_only=True).annotations()[0]
    store = ReviewStore(which, "Bo")
    store.say("handed in")
    store.judge(drawn[0], "returned", "why?", 12.0)
    listed = json.loads(coverslip("reviews", str(folder)))
    assert [(each["reader"], each["status"], each["open"]) for each in listed] == [
        ("Ann", "handed in", 1), ("Bo", "drawing", 2),
    ]  # fmt: skip
    objects = json.loads(coverslip("reviews", str(folder), "--objects"))
    assert (objects[0]["comment"], objects[0]["seconds by person"]) == ("why?", {"Bo": 12.0})
    made = json.loads(coverslip("consensus", str(folder), "--reader", "Cy"))
    assert (made["slides"], made["objects"]) == (1, 1)
    again = json.loads(coverslip("consensus", str(folder), "--reader", "Cy", "--needed", "1"))
    assert again["objects"] == 3
    sets = json.loads(coverslip("sets", str(folder)))
    assert [(each["set"], each["kind"], each["annotations"]) for each in sets][-1] == (
        "Consensus", "merged", 3,
    )  # fmt: skip
    out = folder.parent / "cy.geojson"
    exported = invoke(["annotations", "export", str(folder), "-o", str(out), "--set", "Consensus"])
    assert exported.exit_code == 0, exported.output
    assert "Carcinoma" not in out.read_text()
    json.loads(coverslip("rename-class", str(folder), "Tumor", "Carcinoma"))
    invoke(["annotations", "export", str(folder), "-o", str(out), "--set", "Consensus"])
    assert out.read_text().count("Carcinoma") == 3
    bad = invoke(["projects", "rename-class", str(folder), "Tumour", "X"])
    assert bad.exit_code == 2
    assert 'no class "Tumour": there are "Carcinoma", "Stroma"' in bad.stderr
