"""A .zip of very many small files of annotations: read at once, in order, with word on how far."""

from __future__ import annotations

import json
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.formats.problems import Problem
from viewer.progress import progress_to

_COUNT = 3000


def feature(x: float, **properties: object) -> dict[str, object]:
    ring = [[x, 0], [x + 5, 0], [x + 5, 5], [x, 0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(*features: object, **beside: object) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features} | beside)


def zipped(path: Path, texts: list[str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"{number}.geojson", text)
    return path


@pytest.fixture
def many(tmp_path: Path) -> Path:
    texts = [collection(feature(x, name=str(x))) for x in range(_COUNT)]
    return zipped(tmp_path / "many.zip", texts)


def cpu_s(path: Path) -> float:
    begun_s = time.process_time()
    assert len(list(read_annotations(path, []))) == _COUNT
    return time.process_time() - begun_s


def test_very_many_files_take_little_longer_than_one_with_all(many: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.geojson"
    one.write_text(collection(*(feature(x, name=str(x)) for x in range(_COUNT))))
    cpu_s(one)
    assert min(cpu_s(many) for _ in range(3)) < 8 * min(cpu_s(one) for _ in range(3))


def test_very_many_files_are_not_open_at_the_same_time(many: Path) -> None:
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_annotations(many, [])) == _COUNT
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_how_far_it_is_read_is_told_and_it_can_be_ended(many: Path) -> None:
    shares: list[float] = []
    with progress_to(shares.append):
        list(read_annotations(many, []))
    assert max(shares) > 0.5
    assert len({round(share, 2) for share in shares}) > 40

    class NotWantedError(Exception):
        pass

    def end(share: float) -> None:
        if share > 0.2:
            raise NotWantedError

    read = []
    with progress_to(end), pytest.raises(NotWantedError):
        read += read_annotations(many, [])
    assert len(read) < _COUNT / 2


def test_files_that_are_unlike_are_read_in_their_order(tmp_path: Path) -> None:
    unusual = collection(feature(1, name="1", color="#ff0000"), title="of a series")
    path = zipped(
        tmp_path / "unlike.zip",
        [
            collection(feature(0, name="0")),
            unusual,
            collection(feature(2, name="2")).replace('"2"', "NaN"),
            json.dumps([feature(3, name="3"), "no feature"]),
            collection(),
            collection(feature(4, name="4"), feature(5, name="5"))[:-30],
            "\ufeff" + collection(feature(6, name="6")),
        ],
    )
    problems: list[Problem] = []
    found = [each.name for each in read_annotations(path, problems)]
    assert found == ["0", "1", "NaN", "3", "4", "6"]
    assert [each.number for each in problems if not each.is_repaired] == [5, 7]


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "some.zip", [collection(feature(0)), "no GeoJSON"])
    with pytest.raises(Exception, match=r"some\.zip is no GeoJSON"):
        list(read_annotations(path, []))
