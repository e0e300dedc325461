"""The quality of slides as they arrive: checked once whole, the worst first."""

import csv
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cli_steps import coverslip
from PIL import Image

from viewer.cohort.arrival import watching
from viewer.cohort.arrival.checking import SlideCheck, check_slide
from viewer.cohort.arrival.trouble import troubles
from viewer.cohort.arrival.watching import FolderWatch
from viewer.cohort.errors import BatchError
from viewer.resource_files import resource


class Heard:
    def __init__(self):
        self.checks: list[SlideCheck] = []
        self.problems: list[str] = []

    def on_check(self, check: SlideCheck) -> None:
        self.checks.append(check)

    def on_problem(self, sentence: str) -> None:
        self.problems.append(sentence)


def tissue_picture(path: Path, seed: int = 0) -> Path:
    """Write a picture of 400 x 300 px, its left half pink and grainy."""
    rng = np.random.default_rng(seed)
    pixels = np.full((300, 400, 3), 243, np.uint8)
    pixels[:, :200] = np.clip(rng.normal((190, 110, 170), 25, (300, 200, 3)), 0, 255).astype(
        np.uint8
    )
    Image.fromarray(pixels).save(path)
    return path


def good(**changes: object) -> SlideCheck:
    check = SlideCheck(
        path="/a/good.svs", name="good.svs", mpp_um=0.5, tissue_mm2=80.0, tissue_share=0.3,
        blur=0.01, pen=0.0, fold=0.01, hematoxylin=0.3, eosin=0.2,
    )  # fmt: skip
    return msgspec.structs.replace(check, **changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"blur": 0.41}, "41 % out of focus"),
        ({"pen": 0.06}, "6 % under pen"),
        ({"fold": 0.12}, "12 % dark or folded"),
        ({"mpp_um": None}, "pixel size unknown"),
        ({"tissue_share": 0.0}, "no tissue"),
        ({"tissue_mm2": 0.4}, "little tissue (0.4 mm²)"),
        ({"error": "x.svs is damaged."}, "x.svs is damaged."),
        ({"hematoxylin": 0.05}, "less hematoxylin than the others (0.05, 0.30)"),
        ({"eosin": 0.6}, "more eosin than the others (0.60, 0.20)"),
    ],
)
def test_what_is_wrong_is_said_and_worse_than_nothing(changes, reason):
    found = troubles([*(good() for _ in range(6)), good(**changes)])
    assert [each.reasons for each in found[:6]] == [()] * 6
    assert found[6].reasons == (reason,)
    assert found[6].score > 0


def test_the_worst_reason_comes_first_and_few_slides_tell_no_stain():
    (found,) = troubles([good(blur=0.1, fold=0.5, hematoxylin=2.0)])
    assert found.reasons == ("50 % dark or folded", "10 % out of focus")


def test_a_slide_is_checked_once_its_file_has_stopped_growing(tmp_path: Path):
    folder, out, heard = tmp_path / "in", tmp_path / "out", Heard()
    folder.mkdir()
    whole = tissue_picture(tmp_path / "whole.png").read_bytes()
    watch = FolderWatch(folder, out, heard)
    assert watch.look() == 0
    (folder / "a.png").write_bytes(whole[: len(whole) // 2])
    assert watch.look() == 0
    (folder / "a.png").write_bytes(whole)
    assert watch.look() == 0
    assert watch.look() == 1
    assert watch.look() == 0
    (check,) = heard.checks
    assert (check.name, check.error, check.width_px) == ("a.png", "", 400)
    assert check.tissue_share is not None
    assert 0.35 < check.tissue_share < 0.65
    assert check.hematoxylin is not None
    assert check.hematoxylin > 0

    again = FolderWatch(folder, out, Heard())  # as after a restart
    assert again.look(waits_for_growth=False) == 0
    assert [each.name for each in again.checks] == ["a.png"]
    os.utime(folder / "a.png", ns=(1, 1))
    assert again.look(waits_for_growth=False) == 1


def test_table_and_sheet_have_the_worst_first_and_text_of_files_is_text(tmp_path: Path):
    folder, out, heard = tmp_path / "in", tmp_path / "out", Heard()
    folder.mkdir()
    tissue_picture(folder / "good.png")
    (folder / "<b>=x.svs").write_bytes(b"no slide at all")
    watch = FolderWatch(folder, out, heard)
    assert watch.look(waits_for_growth=False) == 2
    rows = list(csv.DictReader((out / "checks.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["<b>=x.svs", "good.png"]
    assert "unrecognized file format" in rows[0]["error"]
    page = (out / "contact-sheet.html").read_text()
    assert "<b>" not in page
    assert page.index("&lt;b&gt;=x.svs") < page.index("good.png</h2>")
    assert page.count("<img") == 1
    for file in (out / "checks.csv", out / "contact-sheet.html", *(out / "pictures").iterdir()):
        assert file.stat().st_mode & 0o077 == 0


def test_a_folder_that_is_gone_for_a_while_is_said_once(tmp_path: Path):
    folder, heard = tmp_path / "in", Heard()
    folder.mkdir()
    watch = FolderWatch(folder, tmp_path / "out", heard)
    folder.rmdir()
    watch.look()
    watch.look()
    assert len(heard.problems) == 1
    folder.mkdir()
    tissue_picture(folder / "a.png")
    assert watch.look(waits_for_growth=False) == 1


def test_a_pixel_size_that_is_given_later_is_heeded(tmp_path: Path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    tissue_picture(folder / "a.png")
    FolderWatch(folder, out, Heard()).look(waits_for_growth=False)
    scaled = FolderWatch(folder, out, Heard(), mpp_um=0.5)
    assert scaled.look(waits_for_growth=False) == 1
    (check,) = scaled.checks
    assert check.mpp_um == 0.5
    assert check.tissue_mm2 == pytest.approx(0.015, rel=0.3)
    assert FolderWatch(folder, out, Heard(), 0.5).look(waits_for_growth=False) == 0


def test_a_folder_that_cannot_be_read_ends_a_single_look(tmp_path: Path, monkeypatch):
    def refuse(folder: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(watching, "slides_in", refuse)
    ended = coverslip("watch", tmp_path, "--once", "-o", tmp_path / "out")
    assert ended.returncode == 2
    assert f"{tmp_path} cannot be read (Permission denied)." in ended.stderr


def test_a_folder_without_slides_and_a_file_are_said(tmp_path: Path):
    (folder := tmp_path / "scans").mkdir()
    ended = coverslip("watch", folder, "--once", "-o", tmp_path / "out")
    assert ended.returncode == 0
    assert f"There are no slides in {folder} yet." in ended.stderr
    (file := folder / "a.svs").touch()
    ended = coverslip("watch", file, "--once")
    assert ended.returncode == 2
    assert ended.stderr == f"{file} is a file: give the folder that slides arrive in.\n"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(BatchError, match="cannot be kept in"):
        FolderWatch(tmp_path, tmp_path / "file" / "out", Heard())


def test_a_real_slide_is_looked_at_by_the_model_of_quality():
    check, picture = check_slide(resource("slides") / "CMU-1-Small-Region.svs", (1, 2))
    assert picture is not None
    assert (check.error, check.mpp_um, check.magnification) == ("", 0.499, 20.0)
    assert check.tissue_mm2 == pytest.approx(0.69, abs=0.1)
    assert (check.blur, check.pen, check.fold) == (0.0, 0.0, 0.0)


def test_a_slide_of_several_files_is_whole_when_all_have_stopped_growing(tmp_path: Path):
    folder, heard = tmp_path / "in", Heard()
    data = folder / "a" / "Data0000.dat"
    data.parent.mkdir(parents=True)
    (folder / "a.mrxs").write_bytes(b"")
    data.write_bytes(b"1")
    watched = FolderWatch(folder, tmp_path / "out", heard)
    watched.look()
    data.write_bytes(b"12")
    assert watched.look() == 0
    assert watched.look() == 1
    data.write_bytes(b"123")
    watched.look()
    assert watched.look() == 1
