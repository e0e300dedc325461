"""Slide readers of other packages: a real one, installed, named, confined and forbidden."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from viewer import policy as policy_module
from viewer.folders import config_folder
from viewer.processes.confinement.launching import confinement_gap
from viewer.settings import Settings, save_settings
from viewer.slides import UnsupportedSlideError, open_slide
from viewer.slides.region import read_level

if TYPE_CHECKING:
    from pathlib import Path

_READER = '''
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from viewer.geometry import Optics
from viewer.slides import Level, SlideInfo, TileError

SECRET = {secret!r}


class StripesSource:
    """A gray value a row, as the file has them after its first line."""

    def __init__(self, path, rows):
        self.path = path
        self._rows = rows
        try:
            Path(SECRET).read_bytes()
            seen = "read"
        except OSError as error:
            seen = type(error).__name__
        self.info = SlideInfo("stripes", "stripes", Optics((1.0, 1.0), None),
                              properties={{"other file": seen}})
        self.levels = (Level(64, len(rows), 1.0, 256, 256),)

    def read_tile(self, level, column, row):
        picture = np.empty((len(self._rows), 64, 3), np.uint8)
        picture[:] = np.frombuffer(self._rows, np.uint8)[:, None, None]
        return picture

    def read_channels(self, level, column, row, channels, z=0, t=0):
        return np.moveaxis(self.read_tile(level, column, row)[..., list(channels)], 2, 0)

    def read_associated(self, name):
        raise KeyError(name)

    def close(self):
        pass


def open_stripes(path, image):
    data = path.read_bytes()
    head, _, rows = data.partition(b"\\n")
    return StripesSource(path, rows) if head == b"STRIPES" else None
'''


pytestmark = pytest.mark.skipif(
    confinement_gap() is not None, reason="readers of others are loaded in confinement alone"
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package with a reader; return the folder, which holds a file that is not for it."""
    secret = tmp_path / "secret.txt"
    secret.write_text("of another")
    site = tmp_path / "site-packages"
    about = site / "stripes-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stripes\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[coverslip.readers]\nstripes = stripes:open_stripes\nbroken = stripes:nothing\n"
    )
    (site / "stripes.py").write_text(_READER.format(secret=str(secret)))
    monkeypatch.syspath_prepend(site)
    return tmp_path


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    (tmp_path / "slides").mkdir()
    path = tmp_path / "slides" / "a.stripes"
    path.write_bytes(b"STRIPES\n" + bytes(range(100)))
    return path


def name_readers(*names: str) -> None:
    save_settings(Settings(slide_readers=list(names)), config_folder())


@pytest.mark.usefixtures("package")
def test_a_reader_that_is_not_named_is_not_loaded(slide: Path) -> None:
    with pytest.raises(UnsupportedSlideError, match="unrecognized file format"):
        open_slide(slide)
    assert "stripes" not in sys.modules


@pytest.mark.usefixtures("package")
def test_a_named_reader_opens_its_files_in_confinement(slide: Path, sample_slide: Path) -> None:
    name_readers("stripes")
    with closing(open_slide(slide)) as source:
        assert source.info.reader == "stripes"
        assert np.array_equal(read_level(source, 0)[:, 5, 1], np.arange(100))
        assert source.info.properties["other file"] == "PermissionError"
        assert source.info.identity.startswith("s1-")
    with closing(open_slide(sample_slide)) as other:
        assert other.info.vendor == "aperio"
    assert "stripes" not in sys.modules  # the window holds no code of others


@pytest.mark.usefixtures("package")
def test_one_that_cannot_be_loaded_is_said(slide: Path) -> None:
    name_readers("broken", "gone", "stripes")
    with closing(open_slide(slide)) as source:
        broken, gone = sorted(source.info.notes)
        assert broken.startswith("The slide reader broken of the settings cannot be loaded (")
        assert gone.startswith("The slide reader gone of the settings cannot be loaded (it is not")


@pytest.mark.skipif(os.geteuid() != 0, reason="a policy is believed where it is root's")
@pytest.mark.usefixtures("package")
def test_the_policy_forbids_them(
    slide: Path, sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_readers("stripes")
    place = tmp_path / "etc" / "policy.json"
    place.parent.mkdir(mode=0o755)
    place.write_text(json.dumps({"plugins": False}))
    place.chmod(0o644)
    monkeypatch.setattr(policy_module, "POLICY_PATH", place)
    with pytest.raises(UnsupportedSlideError, match="unrecognized file format"):
        open_slide(slide)
    with closing(open_slide(sample_slide)) as other:
        assert "stripes are not used: the administrator's policy" in other.info.notes[0]
