"""Files of annotations that are packed, and texts in other encodings, read in pieces."""

from __future__ import annotations

import base64
import gzip
import os
import zipfile
from pathlib import Path

import pytest

from viewer.annotations.formats.packed_files import unpacked, unpacked_bytes
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.limits import Limit

TEXT = b'{"type": "FeatureCollection", "features": []}'
ROOMY = Limit(1 << 30, "")


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_content_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(TEXT)
    limit = Limit(len(TEXT), "{name} has {amount} of {most} bytes.")
    assert unpacked_bytes(path, ".geojson", limit) == TEXT
    path.write_bytes(TEXT + b" ")
    with pytest.raises(AnnotationFileError, match=r"^a\.geojson has 46 of 45 bytes\.$"):
        unpacked_bytes(path, ".geojson", limit)


def test_what_packs_badly_is_read_to_its_end(tmp_path: Path) -> None:
    """More than the bytes that may unpack to nothing, of which each gives something."""
    text = base64.b64encode(os.urandom(4 << 20))
    path = tmp_path / "a.geojson.gz"
    path.write_bytes(gzip.compress(text, 1))
    assert path.stat().st_size > 3 << 20
    assert unpacked_bytes(path, ".geojson", ROOMY) == text


@pytest.mark.parametrize("name", ["a.zip", "a.geojson"])
def test_a_zip_is_known_by_its_content_and_the_notes_of_a_mac_are_none_of_it(
    name: str, tmp_path: Path
) -> None:
    members = {"__MACOSX/._a.geojson": b"\0\5\x16\7", "a.geojson": TEXT, "b.txt": b"no"}
    with unpacked(write_zip(tmp_path / name, members), ".geojson") as readers:
        (reader,) = readers
        assert reader(1000) == TEXT


def test_an_encrypted_zip_is_said_to_be_so(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.geojson": TEXT})
    data = bytearray(path.read_bytes())
    for mark, flags_at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + flags_at] |= 1
    path.write_bytes(data)
    with pytest.raises(AnnotationFileError, match=r"cannot be read .*encrypted"):
        unpacked_bytes(path, ".geojson", ROOMY)


def test_pieces_of_utf_16_are_no_longer_than_asked_for(tmp_path: Path) -> None:
    text = "腺癌" * 500
    path = tmp_path / "a.xml"
    path.write_text(text, encoding="utf-16")
    with unpacked(path, ".xml") as (reader,):
        pieces = list(iter(lambda: reader(100), b""))
    assert b"".join(pieces).decode() == text
    assert max(map(len, pieces)) <= 100
