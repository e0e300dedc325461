"""Databases beside slides, or in a home that came from elsewhere: none runs SQL of its own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import zlib
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from cli_steps import coverslip

from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.slide_file import open_annotations
from viewer.annotations.storage.store import AnnotationStore, AnnotationStoreError
from viewer.limits import LimitError
from viewer.overlays.result_store import ResultStore, read_about, read_store
from viewer.slides import open_slide

TABLES = """
CREATE TABLE annotation (id BLOB PRIMARY KEY, place INTEGER NOT NULL, body BLOB) WITHOUT ROWID;
CREATE INDEX annotation_place ON annotation (place);
CREATE TABLE step (number INTEGER PRIMARY KEY AUTOINCREMENT, at_utc TEXT NOT NULL,
    author TEXT NOT NULL, label TEXT NOT NULL, changed INTEGER NOT NULL, before BLOB NOT NULL);
CREATE TABLE property (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)"
ATTACKS = {
    "endless view": "DROP TABLE annotation; CREATE VIEW annotation AS ENDLESS "
    "SELECT n AS id, n AS place, NULL AS body FROM r;",
    "hungry view": "DROP TABLE annotation; CREATE VIEW annotation AS "
    "SELECT 1 AS id, 1 AS place, randomblob(900000000) AS body;",
    "endless history": "DROP TABLE step; CREATE VIEW step AS ENDLESS SELECT n AS number, "
    "'' AS at_utc, '' AS author, '' AS label, 1 AS changed, x'00' AS before FROM r;",
    "generated column": "DROP TABLE annotation; CREATE TABLE annotation (id BLOB, place INTEGER, "
    "body BLOB GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL); "
    "INSERT INTO annotation VALUES (1, 1);",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON annotation BEGIN DELETE FROM annotation; END;",
    "virtual table": "DROP TABLE annotation; CREATE VIRTUAL TABLE annotation USING "
    "fts5(id, place, body);",
    "check": "DROP TABLE property; CREATE TABLE property (name TEXT PRIMARY KEY, value TEXT "
    "CHECK (length(randomblob(900000000)) > 0));",
    "index of an expression": "CREATE INDEX i ON annotation (hex(zeroblob(900000000)));",
}


def plant(path: Path, attack: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(TABLES)
        database.executescript(ATTACKS[attack].replace("ENDLESS", ENDLESS))
        database.commit()
    return path


@pytest.fixture
def slide(sample_slide: Path, tmp_path: Path) -> Path:
    """A slide that came with a file of annotations beside it."""
    return Path(shutil.copy(sample_slide, tmp_path / "slide.svs"))


def beside(slide: Path) -> Path:
    with closing(open_slide(slide)) as source:
        return annotations_path(source.info.identity, slide, beside=True, reader="")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_planted_database_runs_nothing_of_its_own(attack: str, tmp_path: Path) -> None:
    path = plant(tmp_path / "a.sqlite", attack)
    content, began_s = path.read_bytes(), time.process_time()
    for read_only in (True, False):
        with pytest.raises(AnnotationStoreError, match="Coverslip does not make") as told:
            AnnotationStore(path, read_only=read_only)
        assert "\n" not in str(told.value)
    with pytest.raises(AnnotationStoreError):
        open_annotations(path, tmp_path / "former.sqlite")
    assert time.process_time() - began_s < 1
    assert path.read_bytes() == content, "it is neither mended nor moved away"


def test_the_same_database_would_run_its_own_sql(tmp_path: Path) -> None:
    """Read as it stands, the view counts for ever and the trigger takes what is written."""
    path = plant(tmp_path / "a.sqlite", "endless view")
    with closing(sqlite3.connect(path)) as database:
        database.set_progress_handler(lambda: True, 1_000_000)
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            database.execute("SELECT MAX(place) FROM annotation").fetchone()
    path = plant(tmp_path / "b.sqlite", "trigger")
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO annotation VALUES (x'00', 1, x'00')")
        assert database.execute("SELECT COUNT(*) FROM annotation").fetchone() == (0,)


def test_a_database_beside_a_slide_is_refused_with_a_sentence(slide: Path, tmp_path: Path) -> None:
    plant(beside(slide), "endless view")
    done = coverslip("annotations", "export", slide, "-o", tmp_path / "out.geojson")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "does not make" in done.stderr


def test_a_pipe_in_place_of_annotations_holds_up_nothing(slide: Path, tmp_path: Path) -> None:
    path = beside(slide)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    done = coverslip("annotations", "export", slide, "-o", tmp_path / "out.geojson")
    assert done.returncode == 2
    assert "pipe or device" in done.stderr


def filled(path: Path) -> Path:
    with closing(AnnotationStore(path)):
        pass
    with closing(sqlite3.connect(path)) as database:
        rows = [(i.to_bytes(16, "big"), i, os.urandom(400)) for i in range(500)]
        database.executemany("INSERT INTO annotation VALUES (?, ?, ?)", rows)
        values = ("2026", "", "Draw", 1, zlib.compress(msgspec.msgpack.encode([])))
        database.execute("INSERT INTO step VALUES (1, ?, ?, ?, ?, ?)", values)
        database.commit()
    return path


@pytest.mark.parametrize("seed", range(6))
def test_torn_pages_cost_what_they_hold(seed: int, tmp_path: Path) -> None:
    import random

    path = filled(tmp_path / "a.sqlite")
    data, draw = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(60):
        data[draw.randrange(100, len(data))] = draw.choice((0, 255, draw.randrange(256)))
    path.write_bytes(data)
    try:
        opened = open_annotations(path, tmp_path / "former.sqlite")
    except AnnotationStoreError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is good, nothing else
    else:
        opened.store.close()
        if opened.lock is not None:
            opened.lock.release()
        assert opened.annotations == []


@pytest.mark.parametrize("body", ["text", 7, 1.5, b"", b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000])
def test_values_of_other_kinds_are_annotations_that_cannot_be_understood(
    body: object, tmp_path: Path
) -> None:
    path = filled(tmp_path / "a.sqlite")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE annotation SET body = ?", (body,))
        database.commit()
    with closing(AnnotationStore(path)) as store:
        found, lost = store.annotations()
    assert found == []
    assert lost == 500


def test_a_version_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite")
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    bomb = b"".join([*(packer.compress(block) for _ in range(100)), packer.flush()])
    assert len(bomb) < 200_000
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE step SET before = ?", (bomb,))
        database.commit()
    with closing(AnnotationStore(path)) as store, pytest.raises(LimitError, match="unpacks to"):
        store.then(1)


@pytest.mark.parametrize(
    "attack",
    [
        "CREATE TABLE about (told TEXT NOT NULL); CREATE VIEW blocks AS "
        "ENDLESS SELECT n AS block_column, n AS block_row, x'00' AS result FROM r;",
        "CREATE VIEW about AS ENDLESS SELECT n AS told FROM r ORDER BY told DESC;",
    ],
    ids=["blocks", "about"],
)
def test_a_planted_file_of_results_is_passed_over_and_made_anew(
    attack: str, tmp_path: Path
) -> None:
    path = tmp_path / "r.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(attack.replace("ENDLESS", ENDLESS))
    assert read_store(path) is None
    assert read_about(path) is None
    with closing(ResultStore(path)) as store:
        assert list(store) == []
