"""What is done with collections without the window: each in a process of its own."""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.laboratory import SIDE_PX, objects, write_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Figures = dict[str, float]
"""Name, with its unit in brackets, to value."""
_LOG_COLUMNS = (
    "Timestamp", "X", "Y", "Width", "Height", "Canvas width", "Canvas height",
    "Downsample factor", "Rotation",
)  # fmt: skip
_STROKE_S = 0.004


def answers(folder: Path, count: int) -> Figures:
    """`projects answers` of so many slides with the answers of 20 readers each."""
    import msgspec

    from viewer.studies.answers import AnswerFile, AnswerRecord
    from viewer.studies.forms import Form, Question
    from viewer.studies.project import Project, ProjectSlide
    from viewer.studies.project_file import create_project

    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    place = folder / "project"
    slides = tuple(ProjectSlide(identity=f"s1-{n:040x}", path=f"{n}.tif") for n in range(count))
    form = Form(id="f", title="F", questions=(Question(id="q", text="Q", kind="text"),))
    create_project(place, Project(slides=slides, forms=(form,)))
    for reader in range(20):
        for slide in slides:
            file = AnswerFile(place, f"reader{reader}", slide.identity, slide.path)
            record = AnswerRecord(
                at_utc="2026-01-01T00:00:00.000+00:00", reader=file.reader,
                identity=file.identity, slide=file.slide, form="f", question="q", answer="yes",
            )  # fmt: skip
            path = file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.encode(record) + b"\n")
    begin_s, begin_cpu_s = time.perf_counter(), cpu_s()
    _command("projects", "answers", str(place), "--out", str(folder / "answers.csv"))
    return _spent(begin_s, begin_cpu_s)


def log_import(folder: Path, rows: int) -> Figures:
    """A log of QuPath's view tracking is taken in."""
    from viewer.recording.importers.importing import import_log

    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    log = folder / "log.tsv"
    with log.open("w") as file:
        file.write("\t".join(_LOG_COLUMNS) + "\n")
        for n in range(rows):
            file.write(f"{n * 30}\t{n % 5000}\t{n % 3000}\t1000\t800\t1000\t800\t1.0\t0.0\n")
    library = folder / "sessions"
    library.mkdir()
    before_mb = peak_mb()
    begin_s, begin_cpu_s = time.perf_counter(), cpu_s()
    import_log(log, library)
    return {
        **_spent(begin_s, begin_cpu_s),
        "memory, over that of the program (MB)": peak_mb() - before_mb,
        "memory (MB)": peak_mb(),
        "log (MB)": log.stat().st_size / 1e6,
    }


def cases(folder: Path, count: int) -> Figures:
    """Sessions on five slides, of ten views each, are exported as cases of Pathology-CoT."""
    from viewer.recording.export import ExportOptions, export_sessions

    out, slides = folder / "cases", 5
    sessions = _sessions_on(folder, count, slides)
    begin_s, begin_cpu_s = time.perf_counter(), cpu_s()
    manifest = export_sessions(
        sessions, out, ExportOptions(format="pathology-cot", jobs=os.cpu_count() or 1)
    )
    spent = _spent(begin_s, begin_cpu_s)
    problems = [each.problem for each in manifest.sessions if each.problem]
    assert not problems, problems[0]
    kept = {each.stat().st_ino: each.stat().st_blocks * 512 for each in out.rglob("*")}
    thumbnails = {each.stat().st_ino for each in out.glob("*/thumbnail.jpeg")}
    return {
        **spent,
        "on the disk (MB)": sum(kept.values()) / 1e6,
        "pictures of five slides": float(len(thumbnails)),
        "actions": float(sum(each.actions for each in manifest.sessions)),
    }


def _sessions_on(folder: Path, count: int, slide_count: int) -> list[Path]:
    """Write sessions of readers who look about; return their folders."""
    from benchmarks.recording import WanderingReader, write_session
    from viewer.geometry import Size
    from viewer.recording.library import sessions_folder
    from viewer.slides.known_slides import remember
    from viewer.slides.slide_key import slide_key

    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    identities: list[str] = []
    for number in range(slide_count):
        path = write_slide(folder / f"slide {number}.tif", number)
        identities.append(slide_key(path))
        remember(identities[-1], path)
    size = Size(SIDE_PX, SIDE_PX)
    reader = WanderingReader(size, stay=True)
    folders = [sessions_folder() / f"20260101T080000Z-{n:08d}" for n in range(count)]
    for number, session in enumerate(folders):
        views = [(n * 3.0, reader.view(at_rest=True)) for n in range(10)]
        write_session(session, iter(views), size, identities[number % slide_count])
    return folders


def asap(folder: Path, count: int) -> Figures:
    """Annotations are written as ASAP's XML."""
    from viewer.annotations.formats.exchange import FORMATS

    wanted = objects(count)
    before_mb = peak_mb()
    begin_s, begin_cpu_s = time.perf_counter(), cpu_s()
    problems = FORMATS["asap"].write(folder / "out.xml", wanted)
    return {
        **_spent(begin_s, begin_cpu_s),
        "problems": float(len(problems)),
        "memory, over that of the program (MB)": peak_mb() - before_mb,
        "memory (MB)": peak_mb(),
    }


def strokes(folder: Path, count: int) -> Figures:
    """A region is reshaped again and again, 2,000 points each time; then all of it is undone.

    Garbage is collected between, as the window does, and a stroke takes some time, if far less than
    a person needs for it: the thread that writes old steps gets its turn.
    """
    import gc

    import shapely

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document, adding, changing

    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    document = Document()
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1)
    first = Annotation(shapely.Polygon(ring * 100))
    document.do(adding("Brush", [first]))
    before_mb = _rss_mb()
    gc.disable()
    took_s: list[float] = []
    busy_s: list[float] = []

    def step(act: Callable[[], object]) -> object:
        begin_s, begin_busy_s = time.perf_counter(), time.thread_time()
        done = act()
        took_s.append(time.perf_counter() - begin_s)
        busy_s.append(time.thread_time() - begin_busy_s)
        return done

    for n in range(count):
        now = document[first.id]
        stroke = changing("Brush", [(now, Annotation(shapely.Polygon(ring * (101 + n)), now.id))])
        step(lambda stroke=stroke: document.do(stroke))
        time.sleep(_STROKE_S)
    grown_mb = _rss_mb() - before_mb
    undone = 0
    while step(document.undo) is not None:
        undone += 1
    assert undone == count + 1, "each stroke is a step, however old"
    return {
        "a stroke or its undo, longest stall (ms)": max(took_s) * 1000,
        "a stroke or its undo, busiest (ms)": max(busy_s) * 1000,
        "memory (MB)": grown_mb,
    }


def cpu_s() -> float:
    """Return what this process and those that it started and that ended have computed."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak_mb() -> float:
    """Return the most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _spent(begin_s: float, begin_cpu_s: float) -> Figures:
    return {"took (s)": time.perf_counter() - begin_s, "CPU (s)": cpu_s() - begin_cpu_s}


def _rss_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def _command(*arguments: str) -> None:
    from viewer.cli import main

    sys.argv[1:] = arguments
    with suppress(SystemExit):
        main()
