"""What tells whether a slide changed since it was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.slides.files.slide_files import slide_stamp
from viewer.slides.remote.address import slide_path

if TYPE_CHECKING:
    from pathlib import Path


def test_each_file_of_a_slide_counts(tmp_path: Path) -> None:
    slide, inside = tmp_path / "a.mrxs", tmp_path / "a" / "Data0001.dat"
    slide.write_bytes(b"1234")
    inside.parent.mkdir()
    inside.write_bytes(b"12")
    before = slide_stamp(slide)
    assert before[0] == 6

    inside.write_bytes(b"123")
    after = slide_stamp(slide)
    assert after[0] == 7
    assert after[1] >= before[1]


def test_chunks_of_a_zarr_count(tmp_path: Path) -> None:
    slide = tmp_path / "a.zarr"
    chunk = slide / "0" / "c" / "0"
    chunk.mkdir(parents=True)
    (slide / "zarr.json").write_text("{}")
    before = slide_stamp(slide)
    (chunk / "0").write_bytes(b"1234")
    assert slide_stamp(slide) != before


def test_what_cannot_be_asked_counts_nothing(tmp_path: Path) -> None:
    assert slide_stamp(tmp_path / "gone.svs") == (0, 0)
    assert slide_stamp(slide_path("https://example.org/a.svs")) == (0, 0)
