"""SQL over what is kept: what it sees, and all that it may not do."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from bucket import BUCKET, Bucket
from cli_steps import coverslip
from overlay_steps import squares

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.store import AnnotationStore, Stamped
from viewer.cohort.query import running
from viewer.cohort.query.errors import QueryError
from viewer.cohort.query.running import ask, collected
from viewer.cohort.query.schema import TABLES
from viewer.geometry import Size
from viewer.inference.models.bundle import STEPS_VERSION
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.result_store import ResultStore, StoreAbout, clear_results, result_path
from viewer.overlays.segments.places import FolderPlace, StorePlace, place_of
from viewer.overlays.segments.segment_store import SegmentStore
from viewer.settings import Settings, save_settings
from viewer.studies.answers import AnswerFile, keep_answers
from viewer.studies.project import Project, ProjectSlide
from viewer.studies.project_file import create_project
from viewer.studies.stages import Stage, write_stage_end

if TYPE_CHECKING:
    from collections.abc import Iterator

SLIDE, OTHER = f"s1-{'a' * 40}", f"s1-{'b' * 40}"
GRID = BlockGrid(Size(1000, 500), 1.0, 500, 50)
DOCS = Path(__file__).resolve().parents[2] / "docs" / "query.md"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with results on two slides, an annotation and an answer."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERSLIP_HOME", str(home))
        _keep_results(SLIDE, {BlockKey(0, 0): [(10, 10), (496, 100)], BlockKey(1, 0): [(496, 100)]})
        _keep_results(OTHER, {BlockKey(0, 0): [(50, 50)]})
        store = AnnotationStore(annotations_path(SLIDE))
        drawn = Annotation(
            shapely.box(0, 0, 20, 10), shown_as=AnnotationClass("=cmd|' /C calc'!A0", "#ff0000"),
            measurements={"Mitoses": 3.0},
        )  # fmt: skip
        store.write([Stamped.now(adding("Draw", [drawn]))])
        store.close()
        file = AnswerFile(home / "data", "R1", SLIDE, "a.svs")
        keep_answers(file, [file.given("form", "grade", 2.0)])
        yield home


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(home))


def _keep_results(slide: str, blocks: dict[BlockKey, list[tuple[float, float]]]) -> None:
    about = StoreAbout(
        f"/slides/{slide[3]}.svs", slide, f"Nuclei 5 {'0' * 24}", 0.5, GRID, STEPS_VERSION,
        task="instances", classes=["Nucleus"],
    )  # fmt: skip
    store = ResultStore(result_path(slide, about.model, 0.5), about)
    for key, corners in blocks.items():
        store.put(key, squares(*corners).to_bytes())
    store.close()


def test_every_column_is_documented_and_real() -> None:
    text = DOCS.read_text()
    for name, columns in TABLES.items():
        section = text.split(f"## `{name}`")[1].split("\n## ")[0]
        told = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))
        assert told == {each: f"{column.kind} | {column.about}" for each, column in columns.items()}
    assert re.findall(r"^## `(\w+)`$", text, re.MULTILINE) == list(TABLES)
    described = collected(ask("select column_name, table_name from duckdb_columns()"))
    for table, columns in TABLES.items():
        assert {column for column, of in described if of == table} == set(columns)


def test_objects_are_those_that_the_window_counts() -> None:
    """An object on the border of two tiles is there once."""
    answer = ask(
        "select slide, count(*) n, avg(area_um2) a, max(x_um) x, any_value(class) c "
        "from objects where slide < 's1-c' group by slide order by slide"
    )
    assert answer.columns == ["slide", "n", "a", "x", "c"]
    assert list(answer.rows) == [
        [SLIDE, 2, 25.0, pytest.approx(250.5), "Nucleus"],
        [OTHER, 1, 25.0, pytest.approx(27.5), "Nucleus"],
    ]
    results = "select slide, objects, tiles, analyzed_mm2 from results order by slide limit 2"
    assert collected(ask(results)) == [
        [SLIDE, 2, 2, pytest.approx(0.125)],
        [OTHER, 1, 1, pytest.approx(0.0625)],
    ]
    joined = (
        "select name, count(*) from objects join slides using (slide) where slide < 's1-c' "
        "group by name order by name"
    )
    assert collected(ask(joined)) == [["a.svs", 2], ["b.svs", 1]]


def test_later_results_are_seen_and_cleared_ones_gone(tmp_path: Path) -> None:
    slide = f"s1-{'c' * 40}"
    count = "select count(*) from objects where slide >= 's1-c'"
    _keep_results(slide, {BlockKey(0, 0): [(10, 10)]})
    assert collected(ask(count)) == [[1]]
    _keep_results(slide, {BlockKey(1, 0): [(700, 10)]})
    assert collected(ask(count)) == [[2]]
    folder = result_path(slide, "", 0.5).parent
    assert list(folder.glob("*.arrow"))
    folder.rename(tmp_path / "c")
    assert collected(ask(count)) == [[0]]
    assert clear_results(tmp_path) > 0
    assert not (tmp_path / "c").exists()


def test_annotations_and_answers_are_seen_as_they_are_kept() -> None:
    drawn = collected(ask("select slide, class, area_px2, area_um2, measurements from annotations"))
    assert drawn == [[SLIDE, "=cmd|' /C calc'!A0", 200.0, 50.0, {"Mitoses": 3.0}]]
    given = collected(ask("select slide, reader, form, question, answer, value from answers"))
    assert given == [[SLIDE, "R1", "form", "grade", "2", 2.0]]


def test_the_command_prints_tables_json_and_csv_that_no_spreadsheet_runs() -> None:
    told = coverslip("query", "select class, 1 as n, 1 as n, null as x from annotations", "--json")
    assert json.loads(told.stdout) == [{"class": "=cmd|' /C calc'!A0", "n": 1, "n_1": 1, "x": None}]
    printed = coverslip("query", "select class, area_px2 from annotations", "--csv")
    assert list(csv.reader(io.StringIO(printed.stdout))) == [
        ["class", "area_px2"], ["'=cmd|' /C calc'!A0", "200.0"],
    ]  # fmt: skip
    shown = coverslip("query", "select count(*) as n from annotations")
    assert shown.stdout.split() == ["n", "1", "1", "row."]


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("select * from read_csv('/etc/passwd')", "no files"),
        ("select * from read_text('/etc/passwd')", "no files"),
        ("select * from glob('/*')", "no files"),
        ("select * from '/etc/passwd'", 'no table "/etc/passwd"'),
        ("select * from sqlite_scan('a', 'b')", "no extensions"),
        ("copy objects to '/tmp/stolen.csv'", "can only read"),
        ("attach '/tmp/x.db'", "can only read"),
        ("install sqlite", "can only read"),
        ("load sqlite", "can only read"),
        ("pragma database_list", "can only read"),
        ("set threads = 8", "can only read"),
        ("delete from objects", "can only read"),
        ("create table mine as select 1", "can only read"),
        ("select 1; select 2", "2 statements"),
        ("  ", "empty"),
        ("selct 1", "syntax error"),
        ("select wrong from objects", '"wrong" not found'),
        ("select * from sqlite_master; drop table objects", "2 statements"),
        ("select * from patients", 'no table "patients"'),
        ("select '\udcff'", "no text"),
        ("select " + "(" * 20_000 + "1" + ")" * 20_000, "nested more than 1,000 times"),
        ("select " + "not " * 20_000 + "true", "nested more than 1,000 times"),
        ("select * from " + "(select * from " * 3000 + "slides" + ")" * 3000, "nested more than"),
    ],
    ids=lambda text: text[:40].encode("ascii", "replace").decode(),
)
def test_what_a_query_may_not_do_is_refused_in_one_sentence(sql: str, sentence: str) -> None:
    ended = coverslip("query", sql)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not ended.stdout


def test_a_query_that_never_ends_or_takes_all_memory_ends() -> None:
    endless = "with recursive t as (select 1 as n union all select 1 from t) select count(*) from t"
    with pytest.raises(QueryError, match=r"longer than 1 s|more than"):
        collected(ask(endless, limit_s=1.0))
    with pytest.raises(QueryError, match=r"takes more than 0\.25 GB of memory"):
        collected(ask("select list(range) from range(300000000)", limit_bytes=1 << 28))
    with pytest.raises(QueryError, match="more than"):
        collected(ask("select * from range(1000000000000)", limit_s=20.0), limit_bytes=1 << 20)


def test_another_store_is_asked_where_it_is_named(home: Path, tmp_path: Path) -> None:
    elsewhere = {"COVERSLIP_HOME": str(tmp_path / "other")}
    sql = "select count(*) as n from objects where slide < 's1-c'"
    assert '"n": 0' in coverslip("query", sql, "--json", **elsewhere).stdout
    assert '"n": 3' in coverslip("query", sql, "--json", "--store", home, **elsewhere).stdout
    assert '"n": 3' in coverslip("query", sql, "--json", "--store", home / "data").stdout
    ended = coverslip("query", sql, "--store", tmp_path / "nowhere")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "no store" in ended.stderr
    (tmp_path / "cohort" / "features").mkdir(parents=True)
    ended = coverslip("query", sql, "--store", tmp_path / "cohort")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "holds the features of slides, not results" in ended.stderr


def test_what_models_found_is_left_out_where_a_study_hides_them(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    stages = (Stage(name="Without AI", hides=("ai",)), Stage(name="With AI"))
    slides = (ProjectSlide(identity=SLIDE, path="a.svs"),)
    create_project(folder, Project(title="Study", slides=slides, stages=stages))
    settings = Settings(reader="R1", recent_projects=[str(folder)])
    save_settings(settings, home / "config")
    counts = "select slide, count(*) as n from {} group by slide order by slide"
    for table in ("objects", "results"):
        done = coverslip("query", counts.format(table), "--json")
        assert [row["slide"] for row in json.loads(done.stdout)] == [OTHER]
        assert "A study hides models, agents and what they made on 1 slide from you" in done.stderr
    assert coverslip("query", "select * from annotations", "--json").stdout.count('"slide"') == 1
    of_study = coverslip("query", counts.format("objects"), "--json", "--store", folder)
    assert json.loads(of_study.stdout) == []
    write_stage_end(folder, "R1", "Without AI")
    done = coverslip("query", counts.format("objects"), "--json")
    assert [row["slide"] for row in json.loads(done.stdout)] == [SLIDE, OTHER]
    assert done.stderr == ""
    save_settings(Settings(), home / "config")


def test_without_duckdb_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(QueryError, match=r"pip install 'coverslip\[query\]'"):
        ask("select 1")


def test_pairs_at_the_border_are_found_as_before() -> None:
    """Objects near a border are told apart by class and size."""
    rng = np.random.default_rng(3)
    found = ObjectMap(GRID, 0.5)
    left = squares(*(rng.random((200, 2)) * (20, 480) + (480, 0)).tolist())
    found.add(BlockKey(0, 0), left)
    kept = found.add(BlockKey(1, 0), left)
    assert len(kept) == 0


# The store of a cohort -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two slides, on one of which a graphics card computed a block, too."""
    place = FolderPlace(tmp_path_factory.mktemp("shared"))
    _keep_in(place, SLIDE, {BlockKey(0, 0): [(10, 10), (496, 100)], BlockKey(1, 0): [(496, 100)]})
    _keep_in(place, OTHER, {BlockKey(0, 0): [(50, 50)]})
    _keep_in(place, OTHER, {BlockKey(0, 0): [(9, 9), (70, 70)], BlockKey(1, 0): []}, "cuda")
    return place.folder


def _keep_in(
    place: StorePlace, slide: str, blocks: dict[BlockKey, list[tuple[float, float]]], on: str = ""
) -> None:
    about = StoreAbout(
        f"/slides/{slide[3]}.svs", slide, f"Nuclei 5 {'0' * 24}", 0.5, GRID, STEPS_VERSION,
        task="instances", classes=["Nucleus"], made_on=on,
    )  # fmt: skip
    store = SegmentStore(place, about)
    for key, corners in blocks.items():
        store.put(key, squares(*corners).to_bytes())
    store.flush()
    store.close()


def test_the_store_of_a_cohort_is_asked_as_ones_own(shared: Path, tmp_path: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in shared.rglob("*")}
    sql = "select slide, objects, tiles, model from results order by slide"
    wanted = [[SLIDE, 2, 2, "Nuclei"], [OTHER, 1, 2, "Nuclei"]]
    assert collected(ask(sql, shared)) == wanted
    counted = "select slide, count(*) from objects group by slide order by slide"
    assert collected(ask(counted, shared)) == [[SLIDE, 2], [OTHER, 1]]
    assert collected(ask("select name, path from slides order by 1", str(shared))) == [
        ["a.svs", "/slides/a.svs"], ["b.svs", "/slides/b.svs"],
    ]  # fmt: skip
    joined = "select count(*) from annotations join results using (slide)"
    assert collected(ask(joined, shared)) == [[1]], "the reader's own annotations are there, too"
    assert {file: file.stat().st_mtime_ns for file in shared.rglob("*")} == before
    done = coverslip("query", counted, "--json", "--store", shared)
    assert [row["slide"] for row in json.loads(done.stdout)] == [SLIDE, OTHER]


def test_what_is_added_to_the_store_of_a_cohort_is_seen(shared: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shared, tmp_path / "copy")
    counted = "select count(*) from objects"
    assert collected(ask(counted, copy)) == [[3]]
    _keep_in(FolderPlace(copy), OTHER, {BlockKey(0, 0): [], BlockKey(1, 0): [(600, 50)]})
    assert collected(ask(counted, copy)) == [[4]]


def test_a_bucket_that_is_none_is_said() -> None:
    for place, sentence in (
        ("ftp://x/y", "is no store"),
        ("s3://", "is no store"),
    ):
        done = coverslip("query", "select 1", "--store", place)
        assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr


def test_the_store_of_a_cohort_in_a_bucket_is_asked_also_half_way(
    shared: Path, tmp_path: Path
) -> None:
    pytest.importorskip("moto", reason="moto is not here: install coverslip[dev]")
    address = f"s3://{BUCKET}/results"
    counted = "select count(*) from objects"
    with Bucket(tmp_path) as bucket:
        empty = coverslip("query", counted, "--store", address)
        assert "0" in empty.stdout
        for file in filter(Path.is_file, shared.rglob("*")):
            key = f"results/{file.relative_to(shared).as_posix()}"
            bucket.client.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())
        done = coverslip("query", "select name, objects from results join slides using (slide) "
                         "order by 1", "--json", "--store", address)  # fmt: skip
        assert json.loads(done.stdout) == [
            {"name": "a.svs", "objects": 2}, {"name": "b.svs", "objects": 1},
        ]  # fmt: skip
        _keep_in(place_of(address), OTHER, {BlockKey(1, 0): [(600, 50)]})
        assert collected(ask(counted, address)) == [[4]]
        bucket.refuse(1.0)
        assert collected(ask(counted, address)) == [[4]], "a bucket may be silent for a moment"
        gone = coverslip("query", counted, "--store", "s3://no-such-bucket/results")
        assert gone.returncode == 2
        assert (gone.stderr.count("\n"), "no-such-bucket" in gone.stderr) == (1, True)
