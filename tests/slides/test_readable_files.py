"""Which files the process of a slide may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from viewer.slides.reader_process.readable import readable_of

if TYPE_CHECKING:
    from pathlib import Path

OME = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"></OME>'


def names(path: Path) -> list[str]:
    """What may be read of a slide in a folder with others, without that folder's own name."""
    return [each.removeprefix(f"{path.parent}") for each in readable_of(path)]


@pytest.mark.parametrize(
    ("name", "content", "readable"),
    [
        ("a.svs", b"II*\0", ["/a.svs"]),
        ("a.ndpi", b"II*\0", ["/a.ndpi"]),
        ("a.png", b"\x89PNG", ["/a.png"]),
        ("a.mrxs", b"", ["/a.mrxs", "/a"]),
        ("a.vsi", b"", ["/a.vsi", "/_a_"]),
        ("a.vms", b"", [""]),
        ("a.vmu", b"", [""]),
        ("a.bif", b"", [""]),
        ("a.afi", b"", [""]),
        ("a.zvi", b"", [""]),
        ("a.dcm", b"", [""]),
        ("a", bytes(128) + b"DICM", [""]),
        ("a.zarr", None, ["/a.zarr"]),
    ],
)
def test_a_slide_is_given_its_own_files(
    name: str, content: bytes | None, readable: list[str], tmp_path: Path
) -> None:
    (tmp_path / "other.svs").write_bytes(b"another slide")
    path = tmp_path / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert names(path) == readable


def test_a_set_is_given_the_files_beside_it_that_it_names(tmp_path: Path) -> None:
    outside = tmp_path / "private.tif"
    outside.write_bytes(b"private")
    path = tmp_path / "slides" / "a.ome.tif"
    path.parent.mkdir()
    named = ("b.ome.tif", "../private.tif", str(outside), "missing.tif", "notes.txt")
    for name in ("b.ome.tif", "c.ome.tif", "notes.txt"):
        (path.parent / name).write_bytes(b"II*\0")
    files = "".join(f'<UUID FileName="{name}"/>' for name in named)
    text = OME.replace("</OME>", f"{files}</OME>")
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), description=text, metadata=None)
    assert names(path) == ["/a.ome.tif", "/b.ome.tif"]
