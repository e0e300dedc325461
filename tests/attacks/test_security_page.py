"""Each claim of docs/security.md names a test that exists, and each limit is the one that holds."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import pytest

from viewer import limits, running_window
from viewer.annotations.formats import boxes_csv, packed_files, problems
from viewer.cohort.query import running
from viewer.inference.process import process_limits
from viewer.slides import slide_key
from viewer.slides.files import companions
from viewer.slides.reader_process import pool, process, source
from viewer.slides.readers import coded_size, small_parts
from viewer.slides.remote import web
from viewer.ui import window_door

ATTACKS = Path(__file__).parent
PAGE = ATTACKS.parents[1] / "docs" / "security.md"


def test_every_test_that_the_page_names_exists() -> None:
    file, named = "", 0
    for match in re.finditer(r"`([\w/]*\.py)?(?:::(\w+))?`", PAGE.read_text()):
        file = match[1] or file
        if not file.rpartition("/")[2].startswith("test_"):
            continue
        named += 1
        where = ATTACKS / file if "/" not in file else ATTACKS.parent / file.removeprefix("tests/")
        assert where.is_file(), file
        if match[2]:
            assert f"def {match[2]}(" in where.read_text(), match[0]
    assert named > 20


def test_every_claim_in_a_table_names_a_test() -> None:
    is_claim, claims = False, 0
    for line in PAGE.read_text().splitlines():
        if not line.startswith("|"):
            is_claim = False
        elif line == "| claim | test |":
            is_claim = True
        elif is_claim and not line.startswith("| ---"):
            claims += 1
            said = line.split(" | ")[-1]
            assert re.search(r"test_\w+\.py|::test_\w+|the claims? on", said), line
    assert claims > 100


_MIB, _GIB = 1 << 20, 1 << 30


def test_the_limits_that_the_page_tells_are_those_that_hold() -> None:
    """What tries a limit may set a smaller one, so that it ends."""
    page = " ".join(PAGE.read_text().split())
    for said, holds in {
        "reader process, one an open slide, at most eight": pool.MAX_PROCESSES == 8,
        "No progress for 60 s ends it": process_limits.NO_PROGRESS_S == 60,
        "What hangs for 60 s, or makes progress for 15 minutes": (
            (process.PATIENCE_S, process.LONGEST_S) == (60, 15 * 60)
        ),
        "no answer for two minutes or answers for an hour": (
            (limits.ANSWER_SECONDS.most, limits.READING_SECONDS.most) == (120, 3600)
        ),
        "more than 2 GB (of masks 4 GB)": (
            {each.most for each in (limits.TABLE_BYTES, limits.ANNOTATIONS_BYTES)}
            == {limits.PROFILE_BYTES.most}
            == {2 * _GIB}
            and limits.MASK_BYTES.most == 4 * _GIB
        ),
        "silent for 5 s or sends more than 1 MiB is sent away, as is the seventeenth": (
            (window_door._PATIENCE_MS, running_window.MOST_BYTES, window_door._MOST_VISITORS)
            == (5000, _MIB, 16)
        ),
        "but objects of 256 MiB at most": web._MOST_WHOLE_BYTES == 256 * _MIB,
        "at most 4 MiB of bytes as they are": slide_key.MOST_BYTES == 4 * _MIB,
        "more than four times its place": coded_size._MOST_TIMES == 4,
        "more than 200 scans": limits.JPEG_SCANS.most == 200,
        "more than 1,024 stored pieces": limits.TILE_PIECES.most == 1024,
        "more than three million elements": limits.DICOM_ELEMENTS.most == 3_000_000,
        "more than 20 million packets": limits.JPEG_2000_PACKETS.most == 20_000_000,
        "tiles beyond 1.2 GB": limits.JPEG_2000_BYTES.most == 1_200_000_000,
        "color profile of more than 16 MiB": limits.COLOR_PROFILE_BYTES.most == 16 * _MIB,
        "ends after 60 s, and with more than 2 GB": (
            (running.LIMIT_S, running.LIMIT_BYTES) == (60, 2 * _GIB)
        ),
        "refused above 1.2 GB in memory or 2.4 GB": (
            (limits.IMAGE_BYTES.most, limits.IMAGE_DECODING_BYTES.most) == (1.2e9, 2.4e9)
        ),
        "ten thousand parts and more that have fewer than 64 bytes": (
            (limits.SMALL_PARTS.most, small_parts._LEAST_BYTES) == (10_000, 64)
        ),
        "more than 256 images below one directory": limits.TIFF_SUB_DIRECTORIES.most == 256,
        "more than 268 million tiles": source._MOST_TILES // 1_000_000 == 268,
        "more than a million stored tiles": limits.TILES_READ.most == 1_000_000,
        "refused, of its first 64 KiB": companions._INI_BYTES == 64 << 10,
        "pack more than 200 to 1": limits.UNPACKED_RATIO.most == 200,
        "edges cross a quarter of a million times": limits.CROSSINGS.most == 250_000,
        "a line of more than 64 MiB": limits.LOG_LINE_BYTES.most == 64 * _MIB,
        "annotations of more than 64 GiB": limits.LINES_BYTES.most == 64 * _GIB,
        "with more than 10,000 classes": limits.CLASSES.most == 10_000,
        "none of the first 100,000 rows": boxes_csv._MOST_ROWS_IN_VAIN == 100_000,
        "of other bad rows 10,000 are held": problems.PROBLEMS_HELD == 10_000,
        "refused after 2 MiB of which nothing came": packed_files._MOST_IDLE_BYTES == 2 * _MIB,
        "more than 256 MiB of which less than a sixteenth": (
            (limits._LARGE_BYTES, limits._HOLLOW) == (256 * _MIB, 16)
        ),
        "more than 100,000 slides": limits.FOLDER_SLIDES.most == 100_000,
    }.items():
        assert said in page
        assert holds, said


def test_a_model_may_take_three_quarters_of_the_memory_or_what_the_variable_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(process_limits.MEMORY_VARIABLE, raising=False)
    total = psutil.virtual_memory().total
    assert process_limits.memory_limit_bytes() == pytest.approx(0.75 * total)
    monkeypatch.setenv(process_limits.MEMORY_VARIABLE, "1.5")
    assert process_limits.memory_limit_bytes() == 3 * _GIB // 2
