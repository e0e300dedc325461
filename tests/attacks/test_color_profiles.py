"""Hostile ICC profiles in slides of each kind: colors are shown as stored, and that is said."""

from __future__ import annotations

import json
import random
import struct
import sys
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from attack_steps import kill_what_reads
from cli_steps import coverslip
from measured_runs import coverslip as measured
from PIL import Image, ImageCms

from viewer.limits import COLOR_PROFILE_BYTES
from viewer.slides import open_slide
from viewer.slides.colors.process import answers
from viewer.slides.colors.profile import ColorProfile, ColorProfileError
from viewer.slides.colors.srgb import to_srgb
from viewer.slides.colors.tables import SOME_STEPS, Unusable
from viewer.slides.displayed import displayed

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ADOBE = imagecodecs.cms_profile("adobergb")
PIXELS = np.full((64, 64, 3), (200, 120, 40), np.uint8)
_ENTRY = struct.Struct(">4sII")


@pytest.fixture(scope="module", autouse=True)
def as_started() -> None:
    """What is attacked are processes at work, however they were started: they are forked."""


def tags_of(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [_ENTRY.unpack_from(profile, 132 + 12 * index) for index in range(count)]
    return {name: profile[at : at + size] for name, at, size in entries}


def profile_of(
    tags: dict[bytes, bytes], *, count: int | None = None, shift: int = 0, size: int | None = None
) -> bytes:
    """A profile with the head of sRGB; `shift` moves where its tags are said to lie."""
    at = 132 + 12 * len(tags)
    table, data = b"", b""
    for name, body in tags.items():
        table += _ENTRY.pack(name, (at + len(data) + shift) % 2**32, len(body))
        data += body + bytes(-len(body) % 4)
    body = struct.pack(">I", len(tags) if count is None else count) + table + data
    return struct.pack(">I", 128 + len(body) if size is None else size) + SRGB[4:128] + body


OURS = tags_of(SRGB)


def curve(count: int) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">I", count) + bytes(8)


def table(grid: int, channels: int = 3) -> bytes:
    """A color table of so many steps a channel, with a few bytes of it."""
    head = b"mft2" + bytes(4) + bytes([channels, channels, grid, 0])
    head += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536) + struct.pack(">HH", 2, 2)
    return head + bytes(200)


def with_tables(body: bytes) -> bytes:
    return profile_of(OURS | dict.fromkeys((b"A2B0", b"A2B1"), body))


REFUSED = {
    "four billion tags": profile_of(OURS, count=2**32 - 1),
    "a thousand tags": profile_of(OURS | {b"x%03d" % n: b"text" + bytes(5) for n in range(1000)}),
    "tags past the end": profile_of(OURS, shift=2**32 - 4096),
    "a tag in the head": profile_of(OURS, shift=-132),
    "an endless curve": profile_of(OURS | {b"rTRC": curve(2**32 - 1)}),
    "a table past the end": with_tables(table(255)),
    "a table of 15 channels": with_tables(table(255, 15)),
    "elements without end": profile_of(
        OURS | {b"A2B1": b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, 2**31 - 1) + bytes(64)}
    ),
    "no size": profile_of(OURS, size=0),
    "cut short": SRGB[:140],
}


def tiff(path: Path, profile: bytes) -> Path:
    tifffile.imwrite(path, PIXELS, photometric="rgb", iccprofile=profile, tile=(64, 64))
    return path


def picture(path: Path, profile: bytes) -> Path:
    Image.fromarray(PIXELS).save(path, icc_profile=profile)
    return path


MAKERS = [("s.tif", tiff), ("s.jpg", picture), ("s.png", picture), ("s.webp", picture)]


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=list(REFUSED))
def test_a_hostile_profile_is_not_used_and_that_is_said(number: int, tmp_path: Path) -> None:
    profile = list(REFUSED.values())[number]
    name, make = MAKERS[number % len(MAKERS)]
    slide = make(tmp_path / name, profile)
    began_s = time.process_time()
    done = coverslip("info", slide, "--json")
    assert time.process_time() - began_s < 2
    assert done.returncode == 0, done.stderr
    assert "its colors are shown as stored" in json.loads(done.stdout)["icc_profile_problem"]


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_each_kind_of_file_hands_its_profile_on(name: str, make, tmp_path: Path) -> None:
    """So that the test above tests something: a sound one is used."""
    done = coverslip("info", make(tmp_path / name, SRGB), "--json")
    about = json.loads(done.stdout)
    assert about["icc_profile_bytes"] == len(SRGB)
    assert about["icc_profile_problem"] == ""


def test_pixels_are_painted_as_stored(tmp_path: Path) -> None:
    slide = tiff(tmp_path / "s.tif", REFUSED["a table past the end"])
    done = coverslip("shot", slide, "-o", tmp_path / "out.png")
    assert done.returncode in (0, 1), done.stderr
    assert "color profile cannot be used" in done.stderr
    painted = imagecodecs.imread(tmp_path / "out.png")[..., :3].reshape(-1, 3)
    assert (painted == (200, 120, 40)).all(1).mean() > 0.3


def test_a_profile_of_a_hundred_megabytes_is_not_parsed(tmp_path: Path) -> None:
    """The file holds none of it: it ends in a hole."""
    slide = tiff(tmp_path / "s.tif", bytes(200))
    data = bytearray(slide.read_bytes())
    at = data.index(struct.pack("<HHI", 34675, 7, 200))
    data[at : at + 8] = struct.pack("<HHI", 34675, 7, 100 << 20)
    with slide.open("wb") as file:
        file.write(data)
        file.truncate(len(data) + (100 << 20))
    outcome = measured("info", slide, "--json")
    assert outcome.code == 0, outcome.err
    assert "max. 16,777,216" in json.loads(outcome.out)["icc_profile_problem"]
    assert outcome.peak_mb < 700


def test_a_long_profile_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(ColorProfileError, match="bytes long"):
        ColorProfile(SRGB + bytes(COLOR_PROFILE_BYTES.most))


def test_torn_profiles_are_refused_or_used() -> None:
    """Here by what the process runs, for the sake of time."""
    draw = random.Random(0)
    some = len(SOME_STEPS) ** 3
    for _ in range(300):
        torn = bytearray(draw.choice(list(REFUSED.values())))
        for _ in range(draw.choice((1, 5, 20))):
            torn[draw.randrange(len(torn))] = draw.choice((0, 255, 128, draw.randrange(256)))
        answer = next(answers(bytes(torn)))
        if isinstance(answer, Unusable):
            assert "\n" not in answer.reason
        else:
            assert len(answer.data) == 3 * some


@pytest.mark.usefixtures("real_children")
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_profile_that_crashes_what_reads_it_costs_its_colors_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = kill_what_reads(monkeypatch)
    with pytest.raises(ColorProfileError, match=r"the process that reads it ended.*as stored"):
        ColorProfile(ADOBE)
    assert ended
    monkeypatch.undo()
    assert ColorProfile(ADOBE).changes_colors


def test_no_profile_is_parsed_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("parsed here")

    slide = open_slide(tiff(tmp_path / "s.tif", ADOBE))
    tile = np.asarray(slide.read_tile(0, 0, 0))
    monkeypatch.setattr(ImageCms, "ImageCmsProfile", refuse)
    shown = displayed(slide.info, tile)
    slide.close()
    assert not np.array_equal(shown, tile)


def test_colors_are_those_of_little_cms_and_kept(own_home: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (50, 301, 3), np.uint8)
    expected = Image.fromarray(pixels)
    ImageCms.applyTransform(expected, to_srgb(ADOBE, "RGB"), inPlace=True)
    for _ in range(2):  # made, then kept
        assert np.array_equal(ColorProfile(ADOBE).to_srgb(pixels), np.asarray(expected))
    (kept,) = own_home.rglob("*.table")
    data = bytearray(kept.read_bytes())
    for spoilt in (data[:-1], data[:5_000_000] + b"!" + data[5_000_001:], b"x"):
        kept.write_bytes(spoilt)
        assert np.array_equal(ColorProfile(ADOBE).to_srgb(pixels), np.asarray(expected))
        assert kept.read_bytes() == data
