"""What agents of other programs may do on a slide, without any protocol between."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from session_lines import read_lines

from viewer import policy as policy_module
from viewer.agents.clients.allowed_folders import REFUSED, AllowedFolders, _is_on_same_system
from viewer.agents.clients.client_desk import ClientDesk, client_name
from viewer.agents.clients.headless_place import HeadlessOptions, HeadlessPlace
from viewer.agents.errors import AgentError
from viewer.annotations.sets.annotation_set import AGENT_SET
from viewer.annotations.sets.listing import sets_of_slide
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.audit_log import read_audit, trail
from viewer.folders import data_folder
from viewer.policy import Policy, ReadPolicy
from viewer.recording.events import (
    AnnotationChanged,
    Bookmarked,
    NoteTaken,
    QuestionAnswered,
    ToolCalled,
    ToolRefused,
    Viewport,
)
from viewer.recording.log_reader import verify
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace

BOX = [500, 500, 1500, 1500]


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
def desk(sample_slide: Path, sessions: Path) -> Iterator[ClientDesk]:
    made = desk_of(sample_slide.parent, sessions)
    yield made
    made.close()


def desk_of(folder: Path, sessions: Path, **options: Any) -> ClientDesk:
    place = HeadlessPlace(AllowedFolders([folder]), HeadlessOptions(sessions, "me", **options))
    return ClientDesk(place, "Claude Code (1.2)")


def done(desk: ClientDesk, tool: str, **arguments: object) -> dict[str, Any]:
    reply = desk.call(tool, arguments)
    assert not reply.refusal, reply.refusal
    return reply.data


def refused(desk: ClientDesk, tool: str, **arguments: object) -> str:
    reply = desk.call(tool, arguments)
    assert reply.refusal
    assert not reply.jpeg
    assert not reply.data
    assert len(reply.refusal) <= 500
    return reply.refusal


def image(
    desk: ClientDesk, tool: str, **arguments: object
) -> tuple[Image.Image, dict[str, object]]:
    reply = desk.call(tool, arguments)
    assert not reply.refusal, reply.refusal
    return Image.open(io.BytesIO(reply.jpeg)), reply.data


def test_a_reading_from_the_opening_to_the_report(
    desk: ClientDesk, sample_slide: Path, sessions: Path
) -> None:
    opened = done(desk, "open_slide", path=str(sample_slide), question="Is it dense?")
    assert (opened["width_px"], opened["height_px"]) == (2220, 2967)
    assert sample_slide.stem not in json.dumps(opened)
    picture, about = image(desk, "overview")
    assert picture.size == (about["width_px"], about["height_px"])
    picture, about = image(desk, "look", box=BOX, magnification=10)
    assert picture.size == (500, 500)
    assert about["box"] == BOX
    assert about["region"] == 1
    picture, about = image(desk, "look", box=[-400, 0, 2220, 2967], magnification=20)
    assert max(picture.size) <= 1536
    assert about["box"] == [0, 0, 2220, 2967]
    assert "smaller box" in str(about["note"])
    picture, about = image(desk, "look", box=[0, 0, 200, 300], magnification=40)
    assert picture.size == (200, 300)
    assert about["magnification"] == 20
    assert "no higher" in str(about["note"])
    assert done(desk, "go_to", box=BOX, magnification=5)["magnification"] == 5
    assert done(desk, "measure", box=BOX)["width_um"] == pytest.approx(499.0)
    done(desk, "draft_annotation", label="Dense <b>", text="Nuclei crowd here.", box=BOX)
    done(desk, "draft_annotations", annotations=[{"label": "Two"}, {"label": "Three"}])
    read = done(desk, "read_annotations")
    assert read["count"] == 3
    done(desk, "bookmark", label="Come back", box=BOX)
    done(desk, "note", text="Nothing more.")
    evidence = [{"text": "Here", "box": [600, 600, 700, 700]}, {"text": "There", "region": 77}]
    answered = done(desk, "answer", text="It is.", evidence=evidence)["answer"]
    assert [claim["region"] is None for claim in answered["claims"]] == [False, True]
    report = str(done(desk, "report")["report"])
    assert "It is" in report
    assert "not visited" in report
    assert "Is it dense?" in report
    assert "reading has ended" in refused(desk, "note", text="more")

    desk.close()
    (folder,) = sessions.iterdir()
    header = read_header(folder)
    assert (header.origin, header.reader) == ("agent", "agent-claude-code-1-2")
    assert verify(folder).is_good
    assert (folder / "report.md").read_text() == report
    events = [line.event for line in read_lines(folder)]
    called = [event.tool for event in events if isinstance(event, ToolCalled)]
    assert called == [
        "overview", "look", "look", "look", "go_to", "measure", "draft_annotation",
        "draft_annotations", "read_annotations", "bookmark", "note", "answer",
    ]  # fmt: skip
    for kind, count in ((AnnotationChanged, 3), (Bookmarked, 1), (NoteTaken, 1)):
        assert sum(isinstance(event, kind) for event in events) == count
    assert any(isinstance(event, QuestionAnswered) for event in events)
    looked = next(
        event for event in events if isinstance(event, Viewport) and event.downsample == 2
    )
    assert looked.magnification == 10  # what the client saw, and all of it on screen
    assert looked.x <= BOX[0]
    assert looked.x + looked.width >= BOX[2]
    assert load_trace(folder).looked_s().sum() > 4
    sets = sets_of_slide(data_folder(), header.slide.identity)
    assert [(each.key.name, each.kind, each.source) for each in sets] == [
        (AGENT_SET, "agent", "claude-code-1-2")
    ]
    trail.flush()
    sent = [entry for entry in read_audit() if entry.what == "sent"]
    assert len(sent) == 4
    assert {entry.subject for entry in sent} == {"client claude-code-1-2"}


@pytest.mark.slow
def test_nuclei_are_counted_as_our_own_agent_counts_them(
    desk: ClientDesk, sample_slide: Path
) -> None:
    done(desk, "open_slide", path=sample_slide.name)  # relative to the allowed folder
    counted = done(desk, "count_nuclei", box=[1000, 2000, 1200, 2200])
    assert counted["nuclei"] > 0
    assert counted["box_mm2"] == pytest.approx(0.01, rel=0.01)


def test_what_cannot_be_done_is_refused_with_one_sentence(
    desk: ClientDesk, sample_slide: Path, sessions: Path
) -> None:
    assert "Open a slide first" in refused(desk, "look", box=BOX)
    done(desk, "open_slide", path=str(sample_slide))
    assert "Go to a region first" in refused(desk, "draft_annotation", label="Somewhere")
    nan = math.nan
    for box, why in (
        ([90_000, 90_000, 91_000, 91_000], "does not lie on the slide"),
        ([1500, 500, 500, 1500], "inverted"),
        ([500, 500, 500, 500], "inverted"),
        ([nan, 0, 1, 1], "finite"),
        ([0, 0, math.inf, 10], "finite"),
        ([1, 2, 3], "four numbers"),
        (list(range(100_000)), "four numbers"),
        (["left", 0, 1, 1], "wrong"),
        ("everything", "wrong"),
        (None, "wrong"),
        ({"x0": 1}, "wrong"),
    ):
        for tool in ("look", "go_to", "count_nuclei", "measure"):
            assert why in refused(desk, tool, box=box)
    for magnification in (1e9, 0, -10, nan, 101):
        assert "from 0.01 to 100" in refused(desk, "look", box=BOX, magnification=magnification)
    assert "wrong" in refused(desk, "look", box=BOX, magnification="high")
    done(desk, "go_to", box=BOX, magnification=None, why=None)  # null is what is left out
    assert "wrong" in refused(desk, "look", box=BOX, secret=1)
    long = "x" * 10_000_000
    assert "20000" in refused(desk, "note", text=long)
    assert "wrong" in refused(desk, "draft_annotation", label=long)
    assert "wrong" in refused(desk, "answer", text=long)
    assert "no tool" in refused(desk, long)
    assert "No classes" in refused(desk, "classes", box=BOX)
    done(desk, "measure", box=BOX)  # nothing of it did any harm
    desk.close()
    (folder,) = sessions.iterdir()
    events = [line.event for line in read_lines(folder)]
    reasons = [event for event in events if isinstance(event, ToolRefused)]
    assert len(reasons) == 57
    assert (folder / "events.jsonl").stat().st_size < 200_000


def test_annotations_that_cannot_be_read_end_no_reading(
    desk: ClientDesk, sample_slide: Path
) -> None:
    done(desk, "open_slide", path=str(sample_slide))
    identity = str(done(desk, "open_slide", path=str(sample_slide))["slide"])
    path = annotations_path(identity, reader="me")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database, and long enough to be taken for one" * 100)
    assert "cannot be read" in refused(desk, "read_annotations")
    done(desk, "measure", box=BOX)


def test_an_option_is_chosen_by_its_number(desk: ClientDesk, sample_slide: Path) -> None:
    done(desk, "open_slide", path=str(sample_slide), options=["Yes", "No"])
    for choice in (3, 0, -1, "C", None, [1, 2], 1.5):
        assert "from 1 to 2" in refused(desk, "answer", text="Neither", choice=choice)
    assert "two different" in refused(desk, "answer", text="Yes", choice=2)
    for choice in (2, "2", "B", "no"):
        answer = done(desk, "answer", text="It is not.", choice=choice)["answer"]
        assert (answer["choice"], answer["option"]) == (2, "No")
        done(desk, "open_slide", path=str(sample_slide), options=["Yes", "No"])
    done(desk, "open_slide", path=str(sample_slide))
    assert "is missing" in refused(desk, "answer", text=" ")
    assert "wrong" in refused(desk, "note", text="")


def test_a_nucleus_is_large_enough_to_be_measured_and_marked(
    desk: ClientDesk, sample_slide: Path
) -> None:
    done(desk, "open_slide", path=str(sample_slide))
    nucleus = [600, 600, 612, 610]
    assert done(desk, "measure", box=nucleus)["area_um2"] == pytest.approx(120 * 0.499**2, abs=0.1)
    assert "less than 16 px" in refused(desk, "look", box=nucleus)
    assert "less than 1 px" in refused(desk, "measure", box=[600, 600, 600.4, 610])
    done(desk, "go_to", box=BOX)
    done(desk, "draft_annotation", label="Mitosis", box=nucleus)
    done(desk, "bookmark", label="Mitosis", box=nucleus)
    (found,) = done(desk, "read_annotations")["annotations"]
    assert list(found["box"]) == nucleus


def test_refusals_name_no_slide(tmp_path: Path, sample_slide: Path, sessions: Path) -> None:
    allowed = tmp_path / "Smith"
    (allowed / "Jones 1950").mkdir(parents=True)
    cut = allowed / "Jones_1950.svs"
    cut.write_bytes(sample_slide.read_bytes()[:300_000])
    (allowed / "alias.svs").symlink_to(cut)
    (allowed / "Jones.mrxs").write_bytes(b"x")
    (allowed / "Jones-empty.svs").touch()
    (allowed / "Jones.txt").write_text("no slide")
    desk = desk_of(allowed, sessions)
    for path in (
        cut.name, str(cut), "alias.svs", "Jones.mrxs", "Jones-empty.svs", "Jones.txt", "Jones 1950",
        "Jones missing.svs",
    ):  # fmt: skip
        sentence = refused(desk, "open_slide", path=path)
        assert "Jones" not in sentence
        assert "Smith" not in sentence
        assert sentence.startswith("The")
        assert " slide" in sentence
    desk.close()


def test_only_slides_below_the_allowed_folders_are_opened(
    sample_slide: Path, tmp_path: Path, sessions: Path
) -> None:
    allowed, beside = tmp_path / "allowed", tmp_path / "allowed too"
    allowed.mkdir()
    beside.mkdir()
    shutil.copy(sample_slide, beside / "a.svs")
    (allowed / "link.svs").symlink_to(beside / "a.svs")
    (allowed / "folder").symlink_to(beside)
    (allowed / "inside.svs").symlink_to(allowed / "text.svs")
    (allowed / "text.svs").write_text("no slide")
    os.mkfifo(allowed / "pipe.svs")
    desk = desk_of(allowed, sessions)
    for path in (
        str(sample_slide), str(beside / "a.svs"), "../allowed too/a.svs", "link.svs",
        "folder/a.svs", str(allowed / ".." / "allowed too" / "a.svs"), "/etc/passwd", "pipe.svs",
        "/proc/self/mem", "/dev/zero", "missing.svs", "", ".", str(allowed), "a\0b",
        "https://example.org/a.svs", "~/a.svs", "/proc/self/cwd/a.svs",
    ):  # fmt: skip
        assert refused(desk, "open_slide", path=path) == REFUSED
    assert "wrong" in refused(desk, "open_slide", path="x" * 10_000_000)
    assert refused(desk, "open_slide", path="inside.svs") != REFUSED  # it may be read, and is none
    desk.close()
    assert not sessions.exists() or not list(sessions.iterdir())
    with pytest.raises(AgentError, match="is no folder"):
        AllowedFolders([allowed / "text.svs"])


def test_what_lies_on_another_file_system_is_refused() -> None:
    assert _is_on_same_system("/", "/etc/passwd")
    assert not _is_on_same_system("/", "/proc/version")


def test_a_slide_that_cannot_be_opened_leaves_the_reading_before(
    desk: ClientDesk, sample_slide: Path
) -> None:
    done(desk, "open_slide", path=str(sample_slide))
    refused(desk, "open_slide", path="missing.svs")
    done(desk, "measure", box=BOX)


def test_another_slide_is_another_session(
    desk: ClientDesk, sample_slide: Path, sessions: Path
) -> None:
    for _ in range(2):
        done(desk, "open_slide", path=str(sample_slide))
        done(desk, "go_to", box=BOX)
    desk.close()
    assert len(list(sessions.iterdir())) == 2
    assert all(verify(folder).is_good for folder in sessions.iterdir())
    assert "program ends" in refused(desk, "open_slide", path=str(sample_slide))


def test_images_end_with_the_pixels_that_were_allowed(sample_slide: Path, sessions: Path) -> None:
    desk = desk_of(sample_slide.parent, sessions, megapixels=0.6)
    assert done(desk, "open_slide", path=str(sample_slide))["pixels_left"] == 600_000
    _, about = image(desk, "look", box=BOX, magnification=10)
    assert about["pixels_left"] == 350_000
    assert "that may be given of this slide are left" in refused(desk, "look", box=BOX)
    _, about = image(desk, "look", box=BOX, magnification=5)
    assert about["pixels_left"] == 350_000 - 250**2
    desk.close()


def test_a_flood_is_refused_and_calls_wait_their_turn(
    desk: ClientDesk, sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(desk, "open_slide", path=str(sample_slide))
    refusals: list[str] = []

    def flood() -> None:
        for _ in range(20):
            refusals.append(desk.call("note", {"text": "again"}).refusal)

    threads = [threading.Thread(target=flood) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(refusals) <= {"", "Too many calls at once: wait for the answers."}
    assert "" in refusals
    monkeypatch.setattr("viewer.agents.clients.client_limits.MOST_CALLS", 400)
    for _ in range(400):
        desk.call("note", {"text": "again"})
    assert "400 calls at most" in refused(desk, "note", text="again")


def test_calls_wait_while_one_is_carried_out_and_too_many_are_refused(
    desk: ClientDesk, sample_slide: Path
) -> None:
    done(desk, "open_slide", path=str(sample_slide))
    refusals: list[str] = []

    def note() -> None:
        refusals.append(desk.call("note", {"text": "again"}).refusal)

    threads = [threading.Thread(target=note) for _ in range(12)]
    with desk._lock:  # as while a call takes its time
        for thread in threads:
            thread.start()
        until_s = time.monotonic() + 20
        while len(refusals) < 4 and time.monotonic() < until_s:
            time.sleep(0.01)
        assert refusals == ["Too many calls at once: wait for the answers."] * 4
    for thread in threads:
        thread.join()
    assert refusals[4:] == [""] * 8


def test_the_administrators_policy_holds(
    desk: ClientDesk, sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_policy(**members: Any) -> None:
        read = ReadPolicy(Policy(**members))
        monkeypatch.setattr(policy_module, "read_policy", lambda: read)

    set_policy(network=False)
    done(desk, "open_slide", path=str(sample_slide))
    assert "no images" in refused(desk, "look", box=BOX)
    assert "no images" in refused(desk, "overview")
    done(desk, "measure", box=BOX)
    set_policy(allowed_hosts=("models.example",))
    assert "no images" in refused(desk, "overview")
    set_policy(agent_clients=False)
    assert "policy lets no other program" in refused(desk, "measure", box=BOX)
    set_policy(allowed_folders=())
    assert "policy allows no slides there" in refused(desk, "open_slide", path=str(sample_slide))


def test_a_client_may_call_itself_anything() -> None:
    assert client_name("Claude Code") == "claude-code"
    assert client_name("../../etc/\x1b[2J") == "etc-2j"
    assert client_name("\u202e") == "client"
    assert len(client_name("x" * 10_000_000)) == 60
