"""What lies in place of the program's own files: a pipe, a device, a folder, or far too much.

Nothing waits for it, it is set aside and said, and what it held has its default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from bombs import endless
from measured_runs import REPOSITORY

from viewer.access import open_text
from viewer.agents.endpoint import Endpoint, load_endpoint, save_endpoint
from viewer.agents.permission import PermissionBook
from viewer.annotations.storage.home_reader import claim_home, home_reader
from viewer.device import device_name
from viewer.files.set_aside import listeners
from viewer.folders import config_folder, data_folder, log_folder
from viewer.geometry import Box
from viewer.inference.cells.kept_settings import keep_settings, kept_settings
from viewer.inference.cells.settings import CellSettings
from viewer.limits import KEPT_BYTES
from viewer.overlays.files.marks_file import Mark, load_marks, save_marks
from viewer.recording.review.entries import ReviewError
from viewer.recording.review.prompts import load_template
from viewer.settings import Settings, read_settings, save_settings
from viewer.signing.kept_secrets import keep_secret, kept_secret
from viewer.slides.calibration import remember_mpp_um, remembered_mpp_um, typed_on
from viewer.slides.known_slides import find, last_place, remember
from viewer.slides.slide_key import file_name_of
from viewer.start_guard import StartGuard

pytestmark = pytest.mark.timeout(30)
Read = Callable[[], object]
SLIDE = "slide"


def put(path: Path, what: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if what == "folder":
        (path / "within").mkdir(parents=True)
    elif what == "large":
        path.touch()
        os.truncate(path, KEPT_BYTES.most + 1)
    else:
        endless(path, what)


def of_slide(folder: str, suffix: str = ".json") -> Path:
    return data_folder() / folder / f"{file_name_of(SLIDE)}{suffix}"


SET_ASIDE: list[tuple[str, Callable[[], Path], Read, object]] = [
    ("marks", lambda: of_slide("marks"), lambda: load_marks(SLIDE), ()),
    ("cells", lambda: of_slide("cells"), lambda: kept_settings(SLIDE), None),
    ("pixel size", lambda: of_slide("pixel-sizes"), lambda: remembered_mpp_um(SLIDE), None),
    ("server", lambda: config_folder() / "endpoint.json", load_endpoint, Endpoint()),
    ("settings", lambda: config_folder() / "settings.json",
     lambda: read_settings(config_folder())[0], Settings()),
]  # fmt: skip
PASSED_OVER: list[tuple[str, Callable[[], Path], Read, object]] = [
    ("day", lambda: of_slide("pixel-sizes"), lambda: typed_on(SLIDE), ""),
    ("place", lambda: of_slide("known-slides"), lambda: find(SLIDE), None),
    ("permissions", lambda: data_folder() / "permissions.json", PermissionBook().all, []),
    ("device", lambda: data_folder() / "device", lambda: len(device_name()), 12),
    ("trace", lambda: log_folder() / "trace-99999999.txt",
     lambda: StartGuard(os.getpid()).take_trace(), ""),
]  # fmt: skip
WHATS = ["pipe", "device", "folder", "large"]


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize(
    ("place", "read", "default"), [each[1:] for each in SET_ASIDE], ids=[e[0] for e in SET_ASIDE]
)
def test_what_is_no_file_of_ours_is_set_aside_and_said(
    place: Callable[[], Path], read: Read, default: object, what: str
) -> None:
    said: list[str] = []
    path = place()
    put(path, what)
    listeners.append(said.append)
    try:
        assert read() == default
    finally:
        listeners.remove(said.append)
    (sentence,) = said
    assert "cannot be used" in sentence
    (aside,) = path.parent.glob("*.bad*")
    assert aside.name in sentence
    assert not os.path.lexists(path)


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize(
    ("place", "read", "default"), [e[1:] for e in PASSED_OVER], ids=[e[0] for e in PASSED_OVER]
)
def test_what_is_no_file_of_ours_holds_up_nothing(
    place: Callable[[], Path], read: Read, default: object, what: str
) -> None:
    put(place(), what)
    assert read() == default


@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_what_is_no_note_of_a_start_is_no_failed_start(what: str) -> None:
    put(config_folder() / "starting", what)
    guard = StartGuard(os.getpid())
    assert guard.begin()
    assert (config_folder() / "starting").is_file()
    guard.drawn()
    assert StartGuard(os.getpid()).begin()


def test_after_that_new_values_are_kept() -> None:
    put(of_slide("known-slides"), "pipe")
    for path in (of_slide("marks"), of_slide("cells"), of_slide("pixel-sizes")):
        put(path, "pipe")
    for path in (config_folder() / "endpoint.json", config_folder() / "settings.json"):
        put(path, "folder")
    for _, _, read, default in SET_ASIDE:
        assert read() == default
    save_marks(SLIDE, [Mark(Box(0, 0, 9, 9), "a")])
    keep_settings(SLIDE, CellSettings())
    remember_mpp_um(SLIDE, (0.5, 0.5))
    remember(SLIDE, Path("/slide.svs"))
    save_endpoint(Endpoint(model="tiny"))
    save_settings(Settings(reader="anna"), config_folder())
    assert [mark.name for mark in load_marks(SLIDE)] == ["a"]
    assert kept_settings(SLIDE) == CellSettings()
    assert remembered_mpp_um(SLIDE) == (0.5, 0.5)
    assert find(SLIDE) is None, "it is not there any more"
    assert last_place(SLIDE) == Path("/slide.svs")
    assert load_endpoint().model == "tiny"
    assert read_settings(config_folder())[0].reader == "anna"


@pytest.mark.parametrize("what", WHATS)
def test_a_key_or_a_reader_that_cannot_be_read_is_said_and_stays(what: str) -> None:
    keep_secret("study", bytes(32))
    claim_home("anna")
    (key,) = (data_folder() / "keys").glob("*.key")
    paths = key, data_folder() / "annotations-reader", config_folder() / "prompts" / "default.txt"
    for path in paths:
        put(path, what)
    reads: list[Read] = [lambda: kept_secret("study"), home_reader]
    for read in reads:
        with pytest.raises(OSError, match=r"pipe or device|Is a directory|too large"):
            read()
    with pytest.raises(ReviewError, match="cannot be read"):
        load_template("default")
    assert all(map(os.path.lexists, paths))


@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_nothing_of_ours_is_written_to_what_is_no_file(what: str, tmp_path: Path) -> None:
    put(tmp_path / "log", what)
    with pytest.raises(OSError, match=r"pipe or device|Is a directory|No such device"):
        open_text(tmp_path / "log")
    assert os.stat("/dev/zero").st_mode & 0o777 == 0o666


def test_lists_of_settings_are_bounded() -> None:
    """Half a million slides held up a start for minutes."""
    many = [f"/slides/{number}.svs" for number in range(300_000)]
    values = {"recent_slides": many, "shortcuts": {name: ["Ctrl+A"] for name in many}}
    (config_folder() / "settings.json").write_bytes(
        msgspec.json.encode(values | {"theme": "light"})
    )
    settings, warnings = read_settings(config_folder())
    assert settings.theme == "light"
    assert settings.recent_slides == many[:2000]
    assert list(settings.shortcuts) == many[:2000]
    assert len(warnings) == 2
    assert all("left out" in each and "settings.bad.json" in each for each in warnings)
    assert read_settings(config_folder()) == (settings, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [("brush_px", 1e308), ("brush_px", -1), ("overview_px", -100), ("counting_area_mm2", -1)],
)
def test_numbers_that_no_dialog_offers_have_bounds_too(name: str, value: float) -> None:
    (config_folder() / "settings.json").write_bytes(msgspec.json.encode({name: value}))
    settings, warnings = read_settings(config_folder())
    assert settings == Settings()
    assert len(warnings) == 1
    assert f'"{name}" was damaged' in warnings[0]


def test_files_are_read_in_ways_that_wait_for_nothing() -> None:
    """`Path.read_bytes` and `read_text` wait for whoever writes to a pipe, and take any length."""
    allowed = {
        "ui/font_icons.py", "ui/drawn_icons.py", "cli/record.py",  # what comes with the program
        "agents/plugins/plugin_names.py",  # a package's description, by importlib
        "cohort/cluster/executor.py", "recording/export/example_files.py",
        "recording/export/shared_slides.py", "recording/export/fine_tuning.py",  # this run's own
        "inference/process/onnx_module.py",  # in the confined process
    }  # fmt: skip
    root = REPOSITORY / "viewer"
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\.read_(bytes|text)\(", path.read_text(encoding="utf-8"))
    }
    assert found - allowed == set()
