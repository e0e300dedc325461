"""Models that come as zip files: which of what they hold is the model, and how large it may be."""

from __future__ import annotations

import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from inference_steps import make_bundle

from viewer.inference.models import model_archive
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_archive import unpack
from viewer.limits import Limit

Usage = namedtuple("Usage", ("total", "used", "free"))


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        each.relative_to(folder).as_posix(): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }


def test_the_model_at_the_top_is_taken_with_the_data_it_names(tmp_path: Path) -> None:
    bundle = make_bundle(
        tmp_path / "m", format="onnx", weights="w.onnx", data={"words.bin": "0" * 64}
    )
    card = (bundle / "model.json").read_bytes()
    own = {"model.json": card, "w.onnx": b"new", "words.bin": b"data"}
    older = {f"older/{name}": b"{}" for name in own}
    for members in ({**older, **own}, {**own, **older}):
        folder = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        assert files_in(unpack(write_zip(tmp_path / "it.zip", members), folder)) == own


def test_a_foreign_model_is_all_its_files_but_the_notes_of_a_mac(tmp_path: Path) -> None:
    inside = {"rdf.yaml": b"a: 1", "my-model.json": b"{}", "data/w.pt": b"w"}
    members = {f"net/{name}": data for name, data in inside.items()}
    notes = {f"__MACOSX/net/._{name}": b"\0" for name in ("rdf.yaml", "my-model.json")}
    packed = write_zip(tmp_path / "it.zip", {**notes, **members})
    folder = unpack(packed, tmp_path)
    assert folder == tmp_path / "it" / "net"
    assert files_in(folder) == inside
    assert [each.name for each in (tmp_path / "it").iterdir()] == ["net"]


@pytest.mark.parametrize("bound", ["disk", "limit"])
def test_files_larger_than_the_disk_or_any_model_are_not_unpacked(
    bound: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = write_zip(tmp_path / "it.zip", {"rdf.yaml": b"a", "w.pt": b"w" * 11})
    if bound == "disk":
        monkeypatch.setattr(model_archive.shutil, "disk_usage", lambda _: Usage(99, 89, 10))
    else:
        monkeypatch.setattr(model_archive, "WEIGHTS_BYTES", Limit(10, ""))
    with pytest.raises(BundleError, match=r"^w\.pt is too large to unpack"):
        unpack(packed, tmp_path)
    assert not (tmp_path / "it" / "w.pt").exists()
