"""All that adds lines to files, while the disk is full, the file read-only, or its end torn."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked_programs
import msgspec
import pytest
import shapely
from recording_steps import HEADER, wait_until
from session_lines import read_exchanges

from viewer.agents.benchmark.results import Result, ResultsFile, RunAbout
from viewer.agents.chat.conversation import PictureEncoder, Turn
from viewer.agents.endpoint import Endpoint
from viewer.agents.exchanges import EXCHANGES_FILE, ExchangeLog
from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import Stamped
from viewer.audit_log import read_audit, trail
from viewer.cohort.arrival.checking import SlideCheck
from viewer.cohort.arrival.watching import FolderWatch
from viewer.cohort.batch import BatchSettings, SlideRecord, open_batch
from viewer.errors import CoverslipError
from viewer.files import set_aside
from viewer.files.journal import Journal
from viewer.files.kept_lines import append_lines, read_bodies
from viewer.folders import data_folder
from viewer.recording import signing
from viewer.recording.log_file import LogFile, spilled
from viewer.recording.receiving.incoming import IncomingSessions
from viewer.recording.review.drafts import DRAFTS_FILE, add_draft, read_drafts
from viewer.recording.review.entries import Decided, Draft
from viewer.recording.review.review_log import ReviewLog, fallback_name, read_entries, review_path
from viewer.recording.session import EVENTS_FILE
from viewer.studies.answers import AnswerFile, keep_answers, read_answers
from viewer.studies.progress import read_progress, write_progress
from viewer.studies.review_store import ReviewStore
from viewer.studies.stages import read_stage_ends, write_stage_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = [str(number) for number in range(9)]
DRAWN = [Annotation(shapely.box(0, 0, 9, 9), name=name) for name in NAMES]
PATIENCE_S = 20.0


class Lines:
    """One of those that add lines, in a folder of its own."""

    waits = False
    """Whether what is refused comes home later."""
    is_silent = False
    """Whether nobody hears of what is refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self) -> Path:
        """Return the one file that lines were added to."""
        (found,) = (each for each in self.folder.rglob("*") if each.suffix in (".jsonl", ".log"))
        return found

    def add(self, name: str) -> None:
        raise NotImplementedError

    def read(self) -> list[str]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what is open."""


class Checksummed(Lines):
    def add(self, name: str) -> None:
        append_lines(self.folder / "lines.log", [name.encode()])

    def read(self) -> list[str]:
        return [body.decode() for body in read_bodies(self.path())]


class Batches(Lines):
    def _batch(self) -> Any:
        settings = BatchSettings(model="m", name="M", version="1", key="M 1 abc")
        return open_batch(settings, [(Path(f"/{name}"), name) for name in NAMES])

    def path(self) -> Path:
        self.folder = self._batch().folder
        return super().path()

    def add(self, name: str) -> None:
        self._batch().note(SlideRecord(slide=f"/{name}", state="done"))

    def read(self) -> list[str]:
        return [each.slide[1:] for each in self._batch().records() if each.state == "done"]


class Arrivals(Lines):
    def _watch(self) -> FolderWatch:
        return FolderWatch(self.folder, self.folder / "out", listener=None)  # type: ignore[arg-type]

    def add(self, name: str) -> None:
        self._watch()._keep(SlideCheck(path=name, name=name), None)

    def read(self) -> list[str]:
        return list(self._watch()._checks)


class StageEnds(Lines):
    def path(self) -> Path:
        (found,) = (self.folder / "stages").iterdir()
        return found

    def add(self, name: str) -> None:
        write_stage_end(self.folder, "Ann", name)

    def read(self) -> list[str]:
        return [each.stage for each in read_stage_ends(self.folder)]


class ProgressOfReaders(Lines):
    def path(self) -> Path:
        (found,) = (self.folder / "progress").iterdir()
        return found

    def add(self, name: str) -> None:
        write_progress(self.folder, "Ann", {("", name): "done"})

    def read(self) -> list[str]:
        return [identity for _, _, identity in read_progress(self.folder)]


class Sets(Lines):
    def _which(self) -> AnnotationSet:
        return AnnotationSet(self.folder, "slide-1", SetKey("Ann", "mine"))

    def path(self) -> Path:
        (found,) = (each for each in self._which().files_folder.iterdir())
        return found

    def add(self, name: str) -> None:
        store = SetStore(self._which())
        drawn = Annotation(shapely.box(0, 0, 9, 9), name=name)
        try:
            store.write([Stamped.now(adding("Draw", [drawn]), "Ann")])
        finally:
            store.close()

    def read(self) -> list[str]:
        return [each.name for each in SetStore(self._which(), read_only=True).annotations()[0]]


class SetReviews(Lines):
    def _store(self) -> ReviewStore:
        return ReviewStore(AnnotationSet(self.folder, "slide-1", SetKey("Ann", "mine")), "Bo")

    def path(self) -> Path:
        (found,) = (each for each in self.folder.rglob("*") if each.is_file())
        return found

    def add(self, name: str) -> None:
        self._store().judge(DRAWN[int(name)], "returned", name)

    def read(self) -> list[str]:
        return [each.comment for each in self._store().read().objects.values()]


class Answers(Lines):
    def _sheet(self) -> AnswerFile:
        return AnswerFile(self.folder, "Ann", "slide-1", "a.svs")

    def add(self, name: str) -> None:
        keep_answers(self._sheet(), [self._sheet().given("form", name, "yes")])

    def read(self) -> list[str]:
        return list(read_answers(self._sheet()).get("form", {}))


class Exchanges(Lines):
    def path(self) -> Path:
        return self.folder / EXCHANGES_FILE

    def add(self, name: str) -> None:
        endpoint = Endpoint(base_url="http://127.0.0.1:9", model="tiny")
        asked = [Turn("user", "What is this?")]
        ExchangeLog(self.folder).add(endpoint, asked, [], name, PictureEncoder(64, 80))

    def read(self) -> list[str]:
        return [str(each["error"]) for each in read_exchanges(self.folder)]


class Results(Lines):
    def _file(self) -> ResultsFile:
        about = RunAbout(policy="p", model="m", most_steps=1, questions="q")
        return ResultsFile(self.folder, about)

    def add(self, name: str) -> None:
        self._file().add(
            Result(
                id=name, slide="s", task="t", answer="a", given="a", is_right=True,
                run=self._file().run,
            )
        )  # fmt: skip

    def read(self) -> list[str]:
        return [each.id for each in self._file().results]


class Drafts(Lines):
    def path(self) -> Path:
        return self.folder / DRAFTS_FILE

    def add(self, name: str) -> None:
        draft = Draft(item=name, text="A nest.", model="m", prompt_sha256="ab", at_utc="")
        add_draft(self.folder, draft)

    def read(self) -> list[str]:
        return list(read_drafts(self.folder))


class Signatures(Lines):
    def path(self) -> Path:
        return self.folder / signing.SIGNATURES_FILE

    def add(self, name: str) -> None:
        made = signing.LogSignature("sync", 1, 1, "", name, "")
        signing._append(self.path(), made, is_synced=True)

    def read(self) -> list[str]:
        found: list[str] = []
        for line in self.path().read_bytes().split(b"\n"):
            with contextlib.suppress(msgspec.MsgspecError):
                found.append(msgspec.json.decode(line, type=signing.LogSignature).key)
        return found


class Received(Lines):
    """What pages sent: the events of one session, whose numbers follow one another."""

    def _sessions(self) -> IncomingSessions:
        return IncomingSessions(self.folder / "incoming", self.folder / "library")

    def add(self, name: str) -> None:
        self._sessions()._append(self._incoming(), b'{"number": %s}\n' % name.encode())

    def _incoming(self) -> Any:
        from viewer.recording.receiving.incoming import _Incoming, _read_back

        incoming = _Incoming(self.folder / "incoming" / "s.open.jsonl")
        if incoming.path.exists():
            _read_back(incoming)
        return incoming

    def read(self) -> list[str]:
        whole = self.path().read_bytes().rpartition(b"\n")[0]
        return [str(msgspec.json.decode(line)["number"]) for line in whole.split(b"\n")]


class Audit(Lines):
    is_silent = True
    waits = True

    def path(self) -> Path:
        return data_folder() / "audit" / "audit.jsonl"

    def add(self, name: str) -> None:
        trail.note("sent", name)
        trail.flush(20)

    def read(self) -> list[str]:
        return [each.subject for each in read_audit()]


class SessionLog(Lines):
    waits = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log = LogFile(folder / "s", HEADER)

    def add(self, name: str) -> None:
        self.log.append(b'["%s", "a line of a session"]\n' % name.encode())
        self.log.retry()
        self.log.sync()
        if self.log.trouble:
            raise OSError(self.log.trouble)

    def read(self) -> list[str]:
        self.log.retry()
        assert self.log.trouble == ""
        assert spilled(HEADER.id) is None
        lines = (self.folder / "s" / EVENTS_FILE).read_bytes().splitlines()
        return [msgspec.json.decode(line)[0] for line in lines]

    def close(self) -> None:
        self.log.close()


class SessionReview(Lines):
    waits = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log: ReviewLog | None = None
        self.troubles: list[str] = []
        self.given = self.tried = 0
        """Lines for the log, and those that its thread has tried to write."""

    def path(self) -> Path:
        return review_path(self.folder, "Ann")

    def add(self, name: str) -> None:
        if self.log is None:
            self.troubles.clear()
            self.given = self.tried = 0
            self.log = ReviewLog(self.path(), self.troubles.append)
            self._count(self.log._journal)
        self.given += 1
        self.log.append(
            Decided(item=name, verdict="accepted", text="A.", source="typed", seconds=1, at_utc="")
        )
        wait_until(lambda: self.tried == self.given, PATIENCE_S)
        if any(self.troubles[-1:]):
            raise OSError(self.troubles[-1])
        assert self.log.flush(PATIENCE_S)
        self.close()

    def _count(self, journal: Journal) -> None:
        """Count the lines of each of the thread's rounds once that has ended."""
        append, sync = journal.append, journal.sync
        taken = 0

        def counted(lines: bytes) -> None:
            nonlocal taken
            append(lines)
            taken += lines.count(b"\n")

        def ended() -> None:
            sync()
            self.tried = taken

        journal.append, journal.sync = counted, ended

    def read(self) -> list[str]:
        if self.log is not None:
            assert self.log.flush(PATIENCE_S)
            self.close()
        assert not (data_folder() / "temporary" / fallback_name(self.path())).exists()
        return [each.item for each in read_entries(self.path()) if isinstance(each, Decided)]

    def close(self) -> None:
        if self.log is not None:
            self.log.close()
            self.log = None


WRITERS: list[type[Lines]] = [
    Checksummed, Batches, Arrivals, StageEnds, ProgressOfReaders, Sets, SetReviews, Answers,
    Exchanges, Results, Drafts, Signatures, Received, Audit, SessionLog, SessionReview,
]  # fmt: skip


@pytest.fixture(params=WRITERS, ids=lambda kind: kind.__name__)
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lines]:
    folder = tmp_path / "files"
    folder.mkdir()
    made = request.param(folder)
    yield made
    made.close()


@contextlib.contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file grows longer than seven bytes more than this one, so that a write ends within."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 7, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[None]:
    path.chmod(0o444)
    with as_any_owner():
        yield
    path.chmod(0o600)


@contextlib.contextmanager
def torn_line(path: Path) -> Iterator[None]:
    """A crash left the beginning of a line at the end."""
    with path.open("ab") as file:
        file.write(path.read_bytes().splitlines()[-1][:-3])
    yield


@contextlib.contextmanager
def as_any_owner() -> Iterator[None]:
    """Let permissions hold for this thread and those that it starts, also where it is root's."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice
    assert libc.capget(header, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0


@pytest.mark.parametrize("fault", [full_disk, read_only, torn_line])
def test_what_cannot_be_added_is_said_and_spoils_nothing(
    writer: Lines, fault: Callable[[Path], contextlib.AbstractContextManager[None]]
) -> None:
    for name in NAMES[:3]:
        writer.add(name)
    path = writer.path()
    before = path.read_bytes()
    refused: dict[str, str] = {}
    with fault(path):
        for name in NAMES[3:5]:
            try:
                writer.add(name)
            except (OSError, CoverslipError) as error:
                refused[name] = str(error)
        if fault is full_disk:
            # What waits is tried again each second, and torn for a moment then.
            wait_until(lambda: path.read_bytes() == before, PATIENCE_S)  # else it spoils the next
    assert all(refused.values())
    if fault is torn_line:
        assert not refused
    elif fault is full_disk and not writer.is_silent:
        assert list(refused) == NAMES[3:5]
    for name in NAMES[5:7]:
        writer.add(name)
    lost = [] if writer.waits else list(refused)
    if fault is torn_line:
        lost = []
    assert sorted(writer.read()) == [name for name in NAMES[:7] if name not in lost]


def test_what_waits_since_a_crash_comes_before_what_is_added(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.mkdir()  # in the way of the file
    ended = Journal(path, "lines", what="The file")
    ended.append(b"first\n")
    ended.append(b"second\n")
    path.rmdir()
    again = Journal(path, "lines", what="The file")
    assert again.left == b"first\nsecond\n"
    again.append(b"third\n")
    assert not again.is_home
    again.close()
    assert path.read_bytes() == b"first\nsecond\nthird\n"
    assert Journal(path, "lines", what="The file", whole=path.read_bytes()).left == b""


def test_what_waits_for_another_file_is_kept_and_that_is_said(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(set_aside, "listeners", [heard.append])
    path = tmp_path / "lines.jsonl"
    for number, found in enumerate((b"first\n", b"another\nof which more\n", b"first\nsec")):
        first = Journal(path, "lines.jsonl", what="The file", whole=b"first\nsecond\n")
        first._keep(b"third %d\n" % number)  # the disk refused it, and the program was killed
        path.write_bytes(found)  # as another machine's copy, from a synced folder
        assert Journal(path, "lines.jsonl", what="The file", whole=found).left == b""
        path.unlink()
    kept = sorted((own_home / "data" / "temporary").glob("lines.left*"))
    assert [each.read_bytes() for each in kept] == [b"13\nthird %d\n" % n for n in range(3)]
    assert [each.name in said for each, said in zip(kept, heard, strict=True)] == [True] * 3
    assert "The end of the file cannot be used" in heard[0]


_ADDING = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from viewer.files.appending import append_whole
    number = 0
    while True:
        text = sys.argv[2] * 200_000
        append_whole(Path(sys.argv[1]), [f"{sys.argv[2]} {number} {text}\\n".encode()])
        os.write(1, b"%d\\n" % number)
        number += 1
    """
)


def test_programs_that_add_at_once_and_are_killed_tear_no_line_of_others(tmp_path: Path) -> None:
    path, rng = tmp_path / "lines.jsonl", random.Random(5)
    acknowledged: set[str] = set()
    for letters in ("ab", "cd", "ef"):
        children = [
            forked_programs.Popen(
                [sys.executable, "-c", _ADDING, str(path), letter], stdout=subprocess.PIPE
            )
            for letter in letters
        ]
        firsts = [child.stdout.readline() for child in children if child.stdout is not None]
        time.sleep(rng.uniform(0, 0.1))  # a kill at any moment is what is tested
        for letter, child, first in zip(letters, children, firsts, strict=True):
            child.send_signal(signal.SIGKILL)
            assert child.stdout is not None
            said = [first, *child.stdout.readlines()]
            child.wait()
            acknowledged |= {f"{letter} {int(each)}" for each in said if each.endswith(b"\n")}
    whole: set[str] = set()
    for line in path.read_bytes().split(b"\n")[:-1]:
        parts = line.decode().split(" ")
        if len(parts) == 3 and parts[2] == parts[0] * 200_000:
            whole.add(f"{parts[0]} {parts[1]}")
    assert acknowledged <= whole
    assert len(acknowledged) >= 6
