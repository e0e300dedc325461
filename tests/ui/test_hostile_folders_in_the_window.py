"""Hostile slides of several files, sessions, annotations and models of others in a window.

Each is said in the window, holds up its thread nowhere, takes little memory of it, and leaves it as
usable as before.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bomb_steps import (
    MOST_GROWN_BYTES,
    MOST_TURN_S,
    GuiWatch,
    Make,
    Way,
    imported,
    opened,
    said,
    tidy,
    try_all,
)
from bombs import endless
from cli_steps import coverslip
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot
from test_dicom_slides import (
    deflated_zeros,
    enormous_frames,
    enormous_matrix,
    long_element,
    long_pixels,
    many_frames,
    nested_sequences,
    no_frames,
)
from test_hostile_files import LAUGHS, asap
from test_zarr_bombs import bomb_of, write_image
from ui_steps import show_slide

from viewer.inference.models.model_library import BUNDLED, models_folder
from viewer.overlays.object_style import ObjectStyle
from viewer.recording.events import AnyEvent, PlaneChanged, Pointer, SlideOpened, Viewport
from viewer.recording.library import sessions_folder
from viewer.recording.log_line import CHAIN_START, encode_line
from viewer.recording.session import EVENTS_FILE, HEADER_FILE, SessionHeader, SlideRef, write_header
from viewer.studies.project import Project
from viewer.studies.project_file import create_project
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.settings_pages import ObjectsPage

slow = pytest.mark.slow
Cases = list[tuple[Way, str, Make, str]]
CODEC = {"id": "imagecodecs_pcodec", "shape": [1 << 40]}


# Slides of several files ---------------------------------------------------------------------


def dicom(spoil: Callable[[Path], None]) -> Make:
    """Make a folder of DICOM files, of which the largest is spoilt."""

    def make(path: Path) -> Path:
        shutil.copytree(SOUND[0], path)
        largest = max(path.iterdir(), key=lambda each: each.stat().st_size)
        spoil(largest)
        return largest

    return make


SOUND: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def _sound(tmp_path_factory: pytest.TempPathFactory, sample_slide: Path) -> None:
    folder = tmp_path_factory.mktemp("dicom") / "slide"
    done = coverslip("convert", sample_slide, folder, "--to", "dicom", "--region", "0,0,600,600")
    assert done.returncode == 0, done.stderr
    SOUND[:] = [folder]


def described(**change: object) -> Make:
    """Make a Zarr of version 2 whose first array says something else."""

    def make(path: Path) -> Path:
        write_image(path, 2, 64)
        about = path / "0" / ".zarray"
        about.write_text(json.dumps(json.loads(about.read_bytes()) | change))
        return path

    return make


def bomb_in_a_chunk(path: Path) -> Path:
    write_image(path, 3, 256, compressors={"name": "zstd", "configuration": {}})
    for chunk in (path / "0" / "c").rglob("0"):
        if chunk.is_file():
            chunk.write_bytes(bomb_of("zstd"))
    return path


def deep_zarr(path: Path) -> Path:
    write_image(path, 2, 64)
    (path / ".zattrs").write_text('{"a":' * 100_000)
    return path


def many_small_files(count: int) -> Make:
    """Make a Zarr without a description beside so many files."""

    def make(path: Path) -> Path:
        write_image(path, 2, 64)
        (path / ".zattrs").write_text("{}")
        for number in range(count):
            (path / f"{number}.bin").touch()
        return path

    return make


def many_dicom_files(count: int) -> Make:
    """Make a folder of so many empty files beside a sound DICOM slide, which is spoilt."""

    def make(path: Path) -> Path:
        spoilt = dicom(enormous_matrix)(path)
        for number in range(count):
            (path / f"{number}.dcm").touch()
        return spoilt

    return make


# Sessions ------------------------------------------------------------------------------------


def replayed(window: MainWindow, path: Path) -> None:
    """List a session of others among those of this machine, and play it."""
    folder = sessions_folder() / path.name
    shutil.move(path, folder)
    window.recording.panels.sessions.show()
    window.recording.panels.start_replay(folder)


def session_of(
    folder: Path, events: list[AnyEvent], *, side_px: int = 1000, title: str = ""
) -> Path:
    folder.mkdir()
    slide = SlideRef(identity="an identity", width_px=side_px, height_px=side_px)
    write_header(
        folder,
        SessionHeader(
            id=folder.name, slide=slide, started_utc="2026-11-24T08:30:00+00:00",
            utc_offset_min=60, reader="anna", app_version="1", title=title,
        ),
    )  # fmt: skip
    chain, lines = CHAIN_START, list[bytes]()
    for number, event in enumerate(events):
        line, chain = encode_line(number, number * 10**9, number * 1000, event, chain)
        lines.append(line)
    (folder / EVENTS_FILE).write_bytes(b"".join(lines))
    return folder


def viewed(path: Path, side_px: int = 1000) -> Path:
    views = [Viewport(10 * n, 0, 300, 300, 0, False, 1.0, 1.0, 10.0, "wheel") for n in range(50)]
    begun = SlideOpened(identity="a", width_px=9, height_px=9)
    return session_of(path, [begun, *views], side_px=side_px)


def no_scale(path: Path) -> Path:
    begun = SlideOpened(identity="a", width_px=9, height_px=9)
    return session_of(path, [begun, Viewport(0, 0, 9, 9, 0, False, 0.0, None, None, "wheel")])


def endless_place(path: Path) -> Path:
    begun = SlideOpened(identity="a", width_px=9, height_px=9)
    return session_of(path, [begun, Pointer(1e308, -1e308)])


def pipe_for_log(path: Path) -> Path:
    session_of(path, [])
    (path / EVENTS_FILE).unlink()
    endless(path / EVENTS_FILE, "pipe")
    return path


def pipe_for_header(path: Path) -> Path:
    session_of(path, [])
    (path / HEADER_FILE).unlink()
    endless(path / HEADER_FILE, "pipe")
    return path


def large_header(path: Path) -> Path:
    session_of(path, [])
    header = (path / HEADER_FILE).read_bytes()
    (path / HEADER_FILE).write_bytes(b" " * (200 << 20) + header)
    return path


def line_without_end(path: Path) -> Path:
    viewed(path)
    with (path / EVENTS_FILE).open("r+b") as file:
        file.truncate(1 << 34)
    return path


def deep_log(path: Path) -> Path:
    viewed(path)
    with (path / EVENTS_FILE).open("ab") as file:
        file.write(b"[51,1,1," + b"[" * 200_000 + b"\n")
    return path


def million_channels(path: Path) -> Path:
    names = [f"Channel number {n}" for n in range(1_000_000)]
    return session_of(path, [PlaneChanged(z=0, t=0, channels=names)])


def vast_slide(path: Path) -> Path:
    return viewed(path, side_px=2**62)


def long_title(path: Path) -> Path:
    session_of(path, [], title="Title " * 500_000)
    return path


# Annotations and models ----------------------------------------------------------------------


def deep_geojson(path: Path) -> Path:
    path.write_text('{"type": "FeatureCollection", "features": [' + '{"a":' * 200_000)
    return path


def laughing_xml(path: Path) -> Path:
    path.write_text(asap(f'<!DOCTYPE l [<!ENTITY a "{"ha" * 100}">{LAUGHS}]>', "&j;"))
    return path


SLIDES: Cases = [
    (opened, "lengths", dicom(long_element), "cannot be opened"),
    (opened, "nested", dicom(nested_sequences), "the reader crashed"),
    (opened, "matrix", dicom(enormous_matrix), "which cannot be"),
    (opened, "frames", dicom(enormous_frames), "too large to be read one by one"),
    (opened, "deflated", dicom(deflated_zeros), "which cannot be read"),
    (opened, "none", dicom(no_frames), "cannot be opened"),
    (opened, "shape.zarr", described(shape=[3, 1 << 62, 1 << 62]), "which cannot be"),
    (opened, "chunks.zarr", described(chunks=[3, 1 << 40, 1 << 40]), "too large to hold in memory"),
    (opened, "codec.zarr", described(compressor=CODEC), "imagecodecs_pcodec"),
    (opened, "pickle.zarr", described(filters=[{"id": "pickle"}]), "holds objects"),
    (opened, "deep.zarr", deep_zarr, "maximum recursion depth"),
    (opened, "files.zarr", many_small_files(2_000), "without an image of OME-Zarr"),
]
SESSIONS: Cases = [
    (replayed, "pipe-log", pipe_for_log, "pipe or device"),
    (replayed, "pipe-header", pipe_for_header, "pipe or device"),
    (replayed, "large-header", large_header, "too large"),
    (replayed, "endless-line", line_without_end, "is longer than"),
    (replayed, "scale", no_scale, "Line 2 of the log"),
    (replayed, "place", endless_place, "Line 2 of the log"),
    (replayed, "deep-log", deep_log, "Line 52 of the log"),
    (replayed, "channels", million_channels, "is longer than"),
    (replayed, "vast", vast_slide, "The slide of this session is not found"),
    (replayed, "title", long_title, "holds no views"),
]
FILES: Cases = [
    (imported, "deep.geojson", deep_geojson, "damaged in the middle of it"),
    (imported, "laughs.xml", laughing_xml, "1 repaired"),
]
DRAWN = random.Random(0)
QUICK = [*DRAWN.sample(SLIDES, 3), *DRAWN.sample(SESSIONS, 3), *DRAWN.sample(FILES, 1)]
CROWDED: Cases = [
    (opened, "crowded.zarr", many_small_files(300_000), "without an image of OME-Zarr"),
    (opened, "crowded", many_dicom_files(300_000), "which cannot be"),
]
LONG = [case for case in (*SLIDES, *SESSIONS, *FILES, *CROWDED) if case not in QUICK]


def test_a_window_says_what_is_wrong_with_folders_of_others_and_goes_on(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    try_all(slide_window, QUICK, tmp_path, qtbot)


@slow
@pytest.mark.timeout(600)
def test_a_window_says_so_of_every_other_folder(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    try_all(slide_window, LONG, tmp_path, qtbot)


@pytest.mark.parametrize(
    ("name", "make", "sentence"),
    [
        ("bomb.zarr", bomb_in_a_chunk, "it unpacks to more than the chunk holds"),
        pytest.param("filters.zarr", described(filters=[{"id": "zlib"}] * 9),
                     "its data is damaged", marks=slow),
        pytest.param("pixels", dicom(long_pixels), "beyond end of filehandle", marks=slow),
        pytest.param("many", dicom(many_frames), "libdicom Out of memory", marks=slow),
    ],
    ids=["bomb", "filters", "pixels", "many"],
)  # fmt: skip
def test_tiles_that_ask_for_too_much_are_said_and_the_window_goes_on(
    name: str, make: Make, sentence: str, slide_window: MainWindow, tmp_path: Path,
    sample_slide: Path, qtbot: QtBot,
) -> None:  # fmt: skip
    path = make(tmp_path / name)
    tidy(slide_window)
    watch = GuiWatch()
    slide_window.open_paths([path])
    qtbot.waitUntil(lambda: sentence in said(slide_window), timeout=60_000)
    watch.end()
    assert watch.longest_s < MOST_TURN_S
    assert watch.grown_bytes < MOST_GROWN_BYTES
    show_slide(slide_window, sample_slide, qtbot)


def test_measurements_without_number_are_listed_in_part_which_is_said(qtbot: QtBot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    page = ObjectsPage(host)
    watch = GuiWatch()
    page.show_style(ObjectStyle(), [f"Value {number}" for number in range(200_000)])
    watch.end()
    assert watch.longest_s < MOST_TURN_S
    assert page.measurement.count() == 1001
    assert "199,000 more" in page.measurement.toolTip()
    page.show_style(ObjectStyle(), ["Area"])
    assert page.measurement.toolTip() == ""


def test_a_title_of_a_project_of_any_length_holds_up_nothing(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    title = "\u202e\0<b>" + "t" * 100_000
    create_project(tmp_path / "p", Project(title=title))
    watch = GuiWatch()
    slide_window.open_paths([tmp_path / "p"])
    qtbot.waitUntil(lambda: slide_window.projects.opened.folder is not None, timeout=20_000)
    qtbot.waitUntil(lambda: "<b>ttt" in slide_window.status.currentMessage())
    watch.end()
    assert watch.longest_s < MOST_TURN_S
    assert len(slide_window.status.currentMessage()) < 300
    assert "\u202e" not in slide_window.status.currentMessage()


def card(**change: object) -> Callable[[Path], object]:
    """Write the card of a sound model that says something else."""

    def write(path: Path) -> None:
        sound = json.loads((BUNDLED / "nuclei" / "model.json").read_bytes())
        path.write_text(json.dumps(sound | change))

    return write


CARDS: dict[str, Callable[[Path], object]] = {
    "classes": card(classes=[{"name": f"C{n}", "colour": "#c80000"} for n in range(50_000)]),
    "deep": lambda path: path.write_text('{"a":' * 200_000),
    "device": lambda path: endless(path, "device"),
    "parts": card(parts=[{"name": f"P{n}"} for n in range(100_000)]),
    "pipe": lambda path: endless(path, "pipe"),
    "sparse": lambda path: path.write_bytes(b"") or os.truncate(path, 1 << 38),
}


def test_hostile_models_are_left_out_of_the_list_which_is_said(
    make_window: Callable[[], MainWindow], qtbot: QtBot
) -> None:
    for name, write in CARDS.items():
        folder = models_folder() / name
        folder.mkdir()
        write(folder / "model.json")
    window = make_window()
    watch = GuiWatch()
    qtbot.waitUntil(lambda: "6 models are left out: " in said(window), timeout=60_000)
    watch.end()
    assert watch.longest_s < MOST_TURN_S
    assert watch.grown_bytes < MOST_GROWN_BYTES
    listed = {each.name for each in window.overlays.panel.models.models()}
    assert "Nuclei" in listed
    assert not listed & CARDS.keys()
