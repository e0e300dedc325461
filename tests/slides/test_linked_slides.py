"""Symbolic links to slides of several files, and links among their files."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING
from unicodedata import normalize

import imagecodecs
import numpy as np
import pytest
from mirax_slide import write_mirax
from test_ome_sets import write_set

from viewer.processes.confinement.launching import confinement_gap
from viewer.slides import open_slide
from viewer.slides.errors import (
    IncompleteSlideError,
    SlideAccessError,
    SlideChangedError,
    UnsupportedSlideError,
)
from viewer.slides.writing.deidentify import deidentify
from viewer.slides.writing.errors import WritingError
from viewer.slides.writing.places import check_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_GRAY = 90


def mirax(folder: Path, gray: int = _GRAY) -> Path:
    folder.mkdir()
    tile = bytes(imagecodecs.jpeg8_encode(np.full((256, 256, 3), gray, np.uint8)))
    return write_mirax(folder / "M.mrxs", tile, 256, {"macro": tile})


def dicom(folder: Path, shared_slide: Callable[[str], Path]) -> Path:
    files = sorted(shared_slide("dicom-folder").rglob("*.dcm"))
    folder.mkdir()
    for file in files:
        shutil.copyfile(file, folder / file.name)
    return folder / files[0].name


@pytest.mark.parametrize("kind", ["mirax", "ome", "dicom"])
def test_a_link_to_a_slide_of_several_files_is_that_slide(
    tmp_path: Path, kind: str, shared_slide: Callable[[str], Path]
) -> None:
    there, links = tmp_path / "archive", tmp_path / "links"
    links.mkdir()
    if kind == "ome":
        there.mkdir()
        path = write_set(there)[0]
    else:
        path = mirax(there) if kind == "mirax" else dicom(there, shared_slide)
    link = links / f"linked{path.suffix}"
    link.symlink_to(path)
    with closing(open_slide(path)) as real, closing(open_slide(link)) as linked:
        assert linked.path == link
        assert linked.info.identity == real.info.identity
        assert (linked.info.axes, linked.info.notes) == (real.info.axes, real.info.notes)
        assert linked.info.associated == real.info.associated
        np.testing.assert_array_equal(linked.read_tile(0, 0, 0), real.read_tile(0, 0, 0))
        link.unlink()
        link.symlink_to(__file__)  # now it is another slide
        with pytest.raises(SlideChangedError, match=f"^{link.name} was changed on the disk"):
            linked.read_tile(0, 0, 0)
        assert real.read_tile(0, 0, 0).any()


def test_all_files_of_a_linked_slide_are_copied_without_texts(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    path = dicom(tmp_path / "archive", shared_slide)
    link = tmp_path / "links" / "a.dcm"
    link.parent.mkdir()
    link.symlink_to(path)
    counts = []
    for source, name in ((path, "copy"), (link, "copy of the link")):
        out = tmp_path / name
        deidentify(source, out)
        counts.append(len(list(out.glob("*.dcm"))))
    assert counts[0] == counts[1] > 0
    check_place(link, link.with_name("b.dcm"), overwrite=False)  # beside the link, all may be
    with pytest.raises(WritingError, match="lies in the place of the slide itself"):
        check_place(link, max(path.parent.iterdir()), overwrite=True)


def test_a_link_to_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    path = mirax(tmp_path / "slide")
    link = tmp_path / "link.mrxs"
    link.symlink_to(path.parent.rename(tmp_path / "slide\udcff") / path.name)
    with pytest.raises(UnsupportedSlideError, match="is not written in UTF-8: rename the file"):
        open_slide(link)


@pytest.mark.skipif(confinement_gap() is not None, reason="nothing confines here")
@pytest.mark.parametrize("kind", ["mirax", "dicom"])
def test_a_link_among_the_files_of_a_slide_is_not_followed_and_that_is_said(
    tmp_path: Path, kind: str, shared_slide: Callable[[str], Path]
) -> None:
    folder = tmp_path / "slide"
    path = mirax(folder) if kind == "mirax" else dicom(folder, shared_slide)
    parts = sorted(file for file in folder.rglob("*") if file.is_file() and file != path)
    store = tmp_path / "store"
    store.mkdir()
    for file in parts:
        file.symlink_to(file.rename(store / file.name))
    with pytest.raises(SlideAccessError) as caught:
        open_slide(path)
    assert str(caught.value) == (
        f"{path.name} is not opened: {parts[0].name}, which belongs to it, is a link to a file "
        "elsewhere, and such links are not followed among the files of a slide; put the file "
        "itself in its place."
    )


@pytest.mark.skipif(confinement_gap() is not None, reason="nothing confines here")
def test_a_file_of_dicom_that_is_itself_a_link_among_others_is_said_to_be_one(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    """It was said that there is no permission to read it."""
    folder = tmp_path / "slide"
    dicom(folder, shared_slide)
    path = max(folder.iterdir(), key=lambda each: each.stat().st_size)
    path.symlink_to(path.rename(tmp_path / "elsewhere.dcm"))
    for place in (path, folder):
        with pytest.raises(SlideAccessError) as caught:
            open_slide(place)
        assert str(caught.value).startswith(f"{path.name} is not opened: it is a link to a file")


@pytest.mark.parametrize("name", ["Data0000.dat", "Index.dat"])
def test_the_small_picture_of_a_mirax_is_never_shown_as_the_slide(
    tmp_path: Path, name: str
) -> None:
    path = mirax(tmp_path / "slide")
    (path.with_suffix("") / name).unlink()
    with pytest.raises(IncompleteSlideError, match=r"^A part of M\.mrxs is missing"):
        open_slide(path)


def test_a_folder_of_mirax_under_another_name_is_said(tmp_path: Path) -> None:
    path = mirax(tmp_path / "slide")
    write_mirax(path.with_name("other.mrxs"), path.read_bytes(), 256, {})
    folder = path.with_suffix("")
    expected = r"under its name: if it is in the folder {}, rename that to {}\.$"
    for other in ("m", "M copy"):
        folder.rename(folder.with_name(other))
        with pytest.raises(IncompleteSlideError, match=expected.format(other, "M")):
            open_slide(path)
        folder.with_name(other).rename(folder)
    composed, parted = (path.with_name(normalize(form, "\u00e4.mrxs")) for form in ("NFC", "NFD"))
    path.rename(composed)
    folder.rename(parted.with_suffix(""))
    with pytest.raises(IncompleteSlideError, match="looks the same, but is of other Unicode"):
        open_slide(composed)
    folder = parted.with_suffix("").rename(composed.with_suffix(""))
    open_slide(composed).close()
    shutil.rmtree(folder)
    with pytest.raises(IncompleteSlideError, match=r"is missing: copy its folder"):
        open_slide(composed)
