"""What the window does with collections of sessions, slides, actions, annotations and results."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from benchmarks.collection_files import Figures, peak_mb
from benchmarks.laboratory import SIDE_PX, Laboratory, keep_objects, make, write_slide
from benchmarks.stalls import close_window, measured, open_window, settle, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.stalls import Stalls
    from viewer.canvas.canvas import SlideCanvas
    from viewer.studies.project import Change
    from viewer.ui.main_window import MainWindow

_PATIENCE_S = 600.0
"""For a million objects on a busy machine."""
_RESULT_BYTES = 4 << 20


def sessions(folder: Path, count: int) -> Figures:
    """The list of sessions is listed anew with all rows selected, then the slide changes."""
    laboratory = Laboratory(folder, sessions=count, slides=min(count, 50), objects=0)
    make(laboratory)
    window = open_window()
    panels = window.recording.panels
    panel, library = panels.sessions, panels.library
    panel.show()
    wait(lambda: len(panel.model.listing.sessions) == count)
    settle(1.0)
    panel.list.selectAll()
    settle(0.5)
    asked: list[object] = []
    with measured() as refresh:
        library.list_now(asked.append)
        wait(lambda: bool(asked))
        settle(0.3)
    panel.list.clearSelection()
    slides = sorted((laboratory.project / "slides").iterdir())[1:4]
    with measured() as change:
        for slide in slides:
            _open(window, slide)
    begin_s = time.perf_counter()
    with measured() as replay:
        panels.start_replay(panel.model.session(0).folder)
        wait(lambda: panels.replay.isVisible())
        replay_s = time.perf_counter() - begin_s
    close_window(window)
    return {
        **_stalls("refresh with all selected", refresh),
        **_stalls("slide changes", change),
        "slide changes, CPU (s)": change.cpu_s,
        "replay opens after (s)": replay_s,
        **_stalls("replay opens", replay),
    }


def project(folder: Path, count: int) -> Figures:
    """A project is opened, its list is scrolled from top to bottom, and a slide is marked done."""
    laboratory = Laboratory(folder, sessions=0, slides=count, objects=0)
    make(laboratory)
    window = open_window()
    window.slides.show()
    with measured() as opening:
        window.projects.open(laboratory.project)
        wait(lambda: len(window.slides.model.keys) == count)
        settle(0.5)
    bar = window.slides.view.verticalScrollBar()
    with measured() as scroll:
        for step in range(60):
            bar.setValue(bar.maximum() * step // 60)
            settle(0.05)
    with measured() as state:
        window.projects.opened.change(_marking(window, count // 2))
        settle(0.5)
    with measured() as typed:
        window.slides.search.setText("case 0001")
        settle(0.7)
    close_window(window)
    return {
        **_stalls("opens", opening),
        **_stalls("scrolling", scroll),
        **_stalls("a state is changed", state),
        **_stalls("a search", typed),
    }


def _marking(window: MainWindow, number: int) -> Change:
    from viewer.studies.project import changing_slide

    identity = window.projects.opened.project.slides[number].identity
    return changing_slide(identity, state="done")


def review(folder: Path, count: int) -> Figures:
    """A review of a session with so many actions opens, and goes on to the next one."""
    from benchmarks.recording import WanderingReader, write_session
    from viewer.geometry import Size
    from viewer.recording.library import sessions_folder
    from viewer.slides.known_slides import remember
    from viewer.slides.slide_key import slide_key

    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    slide = write_slide(folder / "slide.tif", 1, 2048)
    identity = slide_key(slide)
    remember(identity, slide)
    reader = WanderingReader(Size(SIDE_PX, SIDE_PX), stay=True)
    views = ((n * 3.0, reader.view(at_rest=True)) for n in range(count))
    session = sessions_folder() / "20260101T080000Z-00000001"
    write_session(session, views, Size(SIDE_PX, SIDE_PX), identity)
    window = open_window()
    controller = window.recording.review
    _open(window, slide)
    settle(0.5)
    with measured() as opening:
        controller.start(session)
        wait(lambda: controller.reviewing.review is not None)
        settle(1.0)
    found = controller.reviewing.review
    with measured() as following:
        for _ in range(5):
            window.commands["review.skip"].trigger()
            settle(0.2)
    close_window(window)
    return {
        "actions": float(len(found.items)) if found is not None else 0.0,
        **_stalls("opens", opening),
        **_stalls("five verdicts", following),
    }


def bulk(folder: Path, count: int) -> Figures:
    """All objects of a slide get a class, which is undone; they are found, deleted, opened anew."""
    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    slide = write_slide(folder / "slide.tif", 1)
    other = write_slide(folder / "other.tif", 2)
    keep_objects(slide, count)
    window = open_window()
    figures: Figures = {}
    annotations = window.annotations
    annotations.panel.show()

    def note(name: str, stalls: Stalls) -> None:
        figures.update(_stalls(name, stalls))
        figures[f"{name}, took (s)"] = stalls.took_s
        figures[f"{name}, CPU (s)"] = stalls.cpu_s

    def until(is_so: Callable[[], bool]) -> None:
        wait(is_so, _PATIENCE_S)
        _rest()

    def step(name: str, act: Callable[[], object], is_so: Callable[[], bool]) -> None:
        with measured() as stalls:
            act()
            until(is_so)
        note(name, stalls)

    def edit(name: str, act: Callable[[], object], is_so: Callable[[], bool]) -> None:
        """Until it is saved: what is still written would else count for what is done next."""
        begin_s = time.perf_counter()
        with measured() as stalls:
            act()
            until(is_so)
            landed_s = time.perf_counter() - begin_s
            _wait_saved(window)
        note(name, stalls)
        figures[f"{name}, landed after (s)"] = landed_s

    def filter_by(text: str) -> None:
        annotations.panel.filter.setText(text)
        settle(0.4)

    def shown_count() -> int:
        return annotations.panel.model.shown_count

    commands = window.commands
    step("opening", lambda: _open(window, slide), lambda: _count_shown(window) == count)
    here = annotations.active
    assert here is not None
    document = here.document
    counts = dict(document.class_counts)
    select_all = commands["edit.select_all"].trigger
    step("selecting all", select_all, lambda: len(here.selection) == count)
    wanted = annotations.classes.palette.classes[4]

    def give() -> None:
        annotations.classes.give(wanted.annotation_class)

    edit("class of all", give, lambda: document.class_counts[wanted.name] == count)
    undo = commands["edit.undo"].trigger
    edit("undo", undo, lambda: document.class_counts[wanted.name] == 0)
    step("filter", lambda: filter_by("object 77"), lambda: 0 < shown_count() < count)
    step("filter away", lambda: filter_by(""), lambda: shown_count() == count)
    here.selection.choose([])
    select_all()
    until(lambda: len(here.selection) == count)
    edit("delete", commands["edit.delete"].trigger, lambda: len(document) == 0)
    edit("undo of it", undo, lambda: len(document) == count)
    figures["peak memory (MB)"] = peak_mb()
    step("leaving", lambda: _open(window, other), lambda: _count_shown(window) == 0)
    step("reopening", lambda: _open(window, slide), lambda: _count_shown(window) == count)
    again = annotations.active
    assert again is not None
    assert again.document is not document
    assert again.document.class_counts == counts, "what was saved is what was drawn"
    close_window(window)
    return figures


def _count_shown(window: MainWindow) -> int:
    """Return how many annotations the active pane has; -1 until they are known."""
    here = window.annotations.active
    return -1 if here is None else len(here.document)


def flat(folder: Path, side_px: int) -> Figures:
    """A slide without a pyramid shows an overview, and is left at once."""
    from benchmarks.big_slide import write_flat

    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    slide = write_flat(folder / "flat.tif", side_px)
    other = write_slide(folder / "other.tif", 2)
    window = open_window()
    canvas = window.panes.active.canvas
    with measured() as opening:
        begin_s = time.perf_counter()
        _open(window, slide)
        opened_s = time.perf_counter() - begin_s
        with suppress(TimeoutError):
            wait(lambda: is_covered(canvas), 120.0)
        overview_s = time.perf_counter() - begin_s
    with measured() as leaving:
        begin_s = time.perf_counter()
        _open(window, other)
        left_s = time.perf_counter() - begin_s
    begin_s = time.perf_counter()
    _open(window, slide)
    with suppress(TimeoutError):
        wait(lambda: is_covered(canvas), 120.0)
    again_s = time.perf_counter() - begin_s
    begin_s = time.perf_counter()
    close_window(window)
    return {
        "opened after (s)": opened_s,
        "overview after (s)": overview_s,
        **_stalls("overview", opening),
        **_stalls("leaving", leaving),
        "the next slide is open after (s)": left_s,
        "overview when opened again (s)": again_s,
        "closing (s)": time.perf_counter() - begin_s,
        "memory (MB)": peak_mb(),
    }


def is_covered(canvas: SlideCanvas) -> bool:
    """Return whether pixels of the slide, coarse or fine, cover the middle of the canvas."""
    image = canvas.grab().toImage()
    width, height = image.width(), image.height()
    places = [(width * x // 8, height * y // 8) for x in (3, 4, 5) for y in (3, 4, 5)]
    colors = [image.pixelColor(x, y) for x, y in places]
    # Where nothing has come yet the canvas is of one gray.
    return not any(color.red() == color.green() == color.blue() == 150 for color in colors)


def limit(folder: Path, count: int) -> Figures:
    """The limit of kept results is held by a run while the slide is moved about."""
    from viewer.folders import config_folder
    from viewer.inference.runs.results_limit import limit_soon
    from viewer.overlays.result_store import results_folder
    from viewer.settings import load_settings

    os.environ["COVERSLIP_HOME"] = str(folder / "home")
    window = open_window()
    window.change_settings(results_gib=1)
    wait(lambda: load_settings(config_folder()).results_gib == 1)
    _open(window, write_slide(folder / "slide.tif", 1))
    for number in range(count):
        place = results_folder() / f"slide {number}"
        place.mkdir(parents=True)
        with (place / "model.sqlite").open("wb") as file:
            file.truncate(_RESULT_BYTES)
    empty = [results_folder() / f"emptied {number}" for number in range(count // 10)]
    for place in empty:
        place.mkdir()
        os.utime(place, (0, 0))  # one that was made a moment ago is about to be filled
    canvas = window.panes.active.canvas
    with measured() as stalls:
        thread = limit_soon()
        assert thread is not None
        while thread.is_alive():
            canvas.zoom_by(1.5 if canvas.view.downsample > 1 else 0.5)
            settle(0.1)
    left = list(results_folder().glob("*/*.sqlite"))
    close_window(window)
    return {
        **_stalls("held", stalls),
        "held, took (s)": stalls.took_s,
        "left (GiB)": len(left) * _RESULT_BYTES / (1 << 30),
        "empty folders left": float(sum(each.exists() for each in empty)),
    }


def _stalls(name: str, stalls: Stalls) -> Figures:
    """Return how long the window did not answer, and how much of that it worked itself."""
    return {
        f"{name}, longest stall (ms)": stalls.longest_ms,
        f"{name}, busiest (ms)": stalls.busiest_ms,
    }


def _open(window: MainWindow, slide: Path) -> None:
    """Open a slide in the active pane, as a double click does."""
    pane = window.panes.active
    window.open_paths([slide])
    wait(lambda: pane.path == slide and pane.source is not None)


def _rest() -> None:
    """Wait until nothing is worked on behind the window that a user would see the end of."""
    settle(0.5)


def _wait_saved(window: MainWindow) -> None:
    sets = window.annotations.active_sets
    wait(lambda: sets is None or sets.is_saved, 300.0)
