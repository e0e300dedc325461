"""Annotations beside a slide belong to what its file holds, whatever the file is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import shapely

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.sets.places import SlideFile
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.slide_file import kept_annotations, open_annotations
from viewer.annotations.storage.store import AnnotationStore, Stamped

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.storage.slide_file import OpenedAnnotations

pytestmark = pytest.mark.usefixtures("own_home")
_ONE, _OTHER = f"s1-{'1' * 40}", f"s1-{'2' * 40}"


def beside(identity: str, slide: Path, reader: str = "") -> SlideFile:
    return SlideFile(identity, slide, True, reader)


def draw(opened: OpenedAnnotations, x: float) -> None:
    try:
        step = adding("Box", [Annotation(shapely.box(x, 0, x + 1, 1))])
        opened.store.write([Stamped.now(step)])
    finally:
        opened.close()


def drawn(place: SlideFile) -> list[float]:
    """Return the left edges of what is kept, both as it is opened and as it is read alone."""
    opened = place.open()
    opened.close()
    found = [each.geometry.bounds[0] for each in opened.annotations]
    assert [each.geometry.bounds[0] for each in place.kept()] == found
    return found


def test_another_slide_or_image_of_that_name_has_its_own(tmp_path: Path) -> None:
    slide = tmp_path / "a.svs"
    draw(beside(_ONE, slide).open(), 10)
    assert drawn(beside(_OTHER, slide)) == []
    draw(beside(_OTHER, slide).open(), 20)
    opened = beside(_ONE, slide).open()
    other = beside(_OTHER, slide).open()  # both at once, such as two images in two panes
    assert not opened.is_read_only
    assert not other.is_read_only
    opened.close()
    other.close()
    assert drawn(beside(_ONE, slide)) == [10]
    assert drawn(beside(_OTHER, slide)) == [20]
    assert [each.geometry.bounds[0] for each in kept_annotations(_ONE, slide)] == [10]


def test_a_renamed_slide_finds_its_own_and_each_reader_theirs(tmp_path: Path) -> None:
    slide = tmp_path / "a.svs"
    for x, reader in enumerate(("", "Anna", "Berta")):
        draw(beside(_ONE, slide, reader).open(), x)
    there = sorted(tmp_path.glob("*.sqlite"))
    for x, reader in enumerate(("", "Anna", "Berta")):
        # The first reader with a pseudonym has the unnamed file.
        expected = {"": [0, 1], "Anna": [0, 1], "Berta": [2]}[reader]
        assert drawn(beside(_ONE, tmp_path / "b.svs", reader)) == expected, x
    assert sorted(tmp_path.glob("*.sqlite")) == there


def test_one_slide_of_two_names_in_a_folder_is_drawn_on_once_at_a_time(tmp_path: Path) -> None:
    draw(beside(_ONE, tmp_path / "a.svs").open(), 10)
    first = beside(_ONE, tmp_path / "a.svs").open()
    second = beside(_ONE, tmp_path / "link.svs").open()
    assert second.is_read_only
    assert "Another window draws on this slide" in second.notice
    first.close()
    second.close()


def test_links_to_a_slide_find_what_was_drawn_on_it_by_any_of_its_names(tmp_path: Path) -> None:
    archive, work, other = (tmp_path / name for name in ("archive", "work", "other"))
    for folder in (archive, work, other):
        folder.mkdir()
    slide = archive / "a.svs"
    slide.write_bytes(b"1")
    for folder in (work, other):
        (folder / "b.svs").symlink_to(slide)
    draw(beside(_ONE, work / "b.svs").open(), 10)
    assert drawn(beside(_ONE, slide)) == drawn(beside(_ONE, other / "b.svs")) == [10]
    assert [*work.glob("*.sqlite"), *other.glob("*.sqlite")] == []
    draw(SlideFile(_OTHER, slide, False, "").open(), 20)
    kept = annotations_path(_OTHER, work / "copy.svs", beside=True)
    assert kept.parent == work
    draw(open_annotations(kept), 30)  # kept beside the link already
    assert sorted(drawn(beside(_OTHER, work / "b.svs"))) == [20, 30]


@pytest.mark.parametrize("name", ["n" * 251, "\u00e4" * 125])
@pytest.mark.parametrize("reader", ["", "r" * 200])
def test_a_slide_of_a_long_name_is_drawn_on(tmp_path: Path, name: str, reader: str) -> None:
    (tmp_path / "x.svs").write_bytes(b"1")
    slide = (tmp_path / "x.svs").rename(tmp_path / f"{name}.svs")
    SlideFile(_ONE, slide, True, "first").open().close()
    place = beside(_ONE, slide, reader)
    draw(place.open(), 10)
    assert drawn(place) == [10]
    kept = annotations_path(_ONE, slide, beside=True, reader=reader)
    assert kept.parent == tmp_path
    kept.write_bytes(b"no database" * 999)  # a damaged one is kept under a longer name
    opened = place.open()
    assert "damaged" in opened.notice
    opened.close()


def test_what_earlier_versions_kept_by_the_name_alone_is_taken_along(tmp_path: Path) -> None:
    slide = tmp_path / "a.svs"
    old = tmp_path / "a.svs.annotations.sqlite"
    draw(open_annotations(old), 10)
    place = beside(_ONE, slide)
    for found in (place.kept(), kept_annotations(_ONE, slide)):  # before it is taken along
        assert [each.geometry.bounds[0] for each in found] == [10]
    opened = place.open()
    opened.close()
    assert opened.notice == (
        f"The annotations that were kept in a.svs.annotations.sqlite are kept in "
        f"a.svs.annotations.{_ONE}.sqlite now."
    )
    assert not old.exists()
    assert drawn(place) == [10]
    assert drawn(beside(_OTHER, slide)) == []
    draw(open_annotations(old), 30)
    assert drawn(SlideFile(_ONE, slide, False, "")) == [10, 30]
    AnnotationStore(annotations_path(_ONE, slide), read_only=True).close()
