"""What `coverslip run` takes for slides: folders, lists, and folders of buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bucket import BUCKET, Bucket
from many_slides import slide_at
from msgspec.structs import replace

from viewer.cli.output import code_where_failed
from viewer.cohort.slides import named_slides
from viewer.limits import FOLDER_SLIDES
from viewer.slides.remote.address import slide_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named")
    for number, name in enumerate(("a.tif", "b, c.tif", "more/d.tif")):
        (folder / name).parent.mkdir(exist_ok=True)
        slide_at(folder / name, number)
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("slides.txt", "# my cohort\na.tif\n\n  b, c.tif  \nmore\na.tif\n"),
        ("slides.lst", "\ufeffa.tif\r\nb, c.tif\r\n{folder}/more/d.tif\r\n"),
        ("slides.csv", 'case,path,label\n1,a.tif,x\n2,"b, c.tif",y\n3,more/d.tif,z\n4,,\n'),
        ("slides.tsv", "slide\nb, c.tif\na.tif\nmore/d.tif\n"),
        ("plain.csv", 'a.tif,1\n"b, c.tif",2\nmore/d.tif,3\n'),
    ],
)
def test_a_list_names_slides_beside_it_or_anywhere(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(text.replace("{folder}", str(folder)), encoding="utf-8")
    found = named_slides([file])
    assert found.is_list
    assert (found.problems, found.missing) == ([], [])
    assert {path.resolve() for path, _ in found.slides} == {
        folder / "a.tif", folder / "b, c.tif", folder / "more" / "d.tif",
    }  # fmt: skip
    assert len(found.slides) == 3


def test_a_list_may_name_addresses_and_what_is_missing_is_named(folder: Path) -> None:
    file = folder / "mixed.txt"
    file.write_text("s3://bucket/x.svs\ngone.svs\na.tif\nno\0name.tif\n" + "y" * 300 + "\n")
    found = named_slides([file])
    assert [name for _, name in found.slides] == ["x.svs", "a.tif"]
    assert [name[:2] for name, _ in found.missing] == ["go", "no", "yy"]
    assert "gone.svs is missing: mixed.txt expects it" in found.problems[0]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("empty.txt", b"\n# nothing\n", "names no slides"),
        ("empty.csv", b"path\n", "names no slides"),
        ("utf16.txt", "a.tif".encode("utf-16"), "save it as text in UTF-8"),
        ("huge.csv", b'"' + b"x" * 100_000 + b'"\n', "is no list of slides"),
    ],
)
def test_what_is_no_list_is_one_sentence(
    tmp_path: Path, name: str, data: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(data)
    found = named_slides([tmp_path / name])
    assert not found.slides
    (problem,) = found.problems
    assert sentence in problem
    assert "\n" not in problem


def test_a_folder_of_a_bucket_gives_its_slides(tmp_path: Path) -> None:
    pytest.importorskip("moto", reason="moto is not here: install coverslip[dev]")
    pytest.importorskip("obstore", reason="obstore is not here: install coverslip[remote]")
    with Bucket(tmp_path) as bucket:
        for key in ("colon/b c#1.svs", "colon/a.TIF", "colon/x.zarr/zarr.json", "colon/notes.txt",
                    "colon/deep/c.svs", "top.ndpi"):  # fmt: skip
            bucket.client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        found = named_slides([slide_path(f"s3://{BUCKET}/colon/")])
        assert found.is_list
        assert [name for _, name in found.slides] == ["a.TIF", "b c#1.svs", "x.zarr"]
        assert str(found.slides[1][0]) == f"s3://{BUCKET}/colon/b%20c%231.svs"
        top = named_slides([slide_path(f"s3://{BUCKET}")])
        assert [name for _, name in top.slides] == ["top.ndpi"]
        alone = named_slides([slide_path(f"s3://{BUCKET}/colon/a.TIF")])
        assert (alone.is_list, len(alone.slides)) == (False, 1)
        empty = named_slides([slide_path(f"s3://{BUCKET}/none")])
        assert empty.problems == [f"There are no slides in s3://{BUCKET}/none."]
        (problem,) = named_slides([slide_path("s3://no-such-bucket/x")]).problems
        assert "There is no bucket s3://no-such-bucket" in problem


def test_the_only_slide_that_is_missing_leaves_nothing_to_do(folder: Path) -> None:
    gone, there = folder / "gone.svs", folder / "a.tif"
    lists = {name: folder / f"{name}.txt" for name in ("one", "two", "most")}
    lists["one"].write_text("gone.svs\n")
    lists["two"].write_text("gone.svs\ngone-too.svs\n")
    lists["most"].write_text("gone.svs\na.tif\n")
    codes = {
        tuple(each.name for each in asked): code_where_failed(named_slides(asked))
        for asked in ([gone], [lists["one"]], [lists["two"]], [lists["most"]], [gone, there])
    }
    assert codes == {
        ("gone.svs",): 2, ("one.txt",): 2, ("two.txt",): 1, ("most.txt",): 1,
        ("gone.svs", "a.tif"): 1,
    }  # fmt: skip


def test_a_folder_of_slides_without_number_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.slides.tray.FOLDER_SLIDES", replace(FOLDER_SLIDES, most=20))
    for number in range(21):
        (tmp_path / f"{number}.svs").touch()
    looked_at: list[Path] = []
    monkeypatch.setattr(
        "viewer.slides.dicom.folder.dicom_header", lambda path: looked_at.append(path)
    )
    found = named_slides([tmp_path])
    assert not looked_at  # their names tell that the folder is no slide
    assert not found.slides
    (sentence,) = found.problems
    assert "it holds more than 20 slides: move a part of them" in sentence
    (tmp_path / "0.svs").unlink()
    assert len(named_slides([tmp_path]).slides) == 20
