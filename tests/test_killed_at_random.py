"""Programs that are killed at any moment, again and again: what they had written is whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import forked_programs
import pytest

from viewer.annotations.masks.mask_reading import read_mask
from viewer.cohort.features.rows import Encoder
from viewer.cohort.features.store import FeatureStore
from viewer.recording.importers.importing import import_log
from viewer.recording.library import Library
from viewer.recording.log_reader import verify
from viewer.slides.writing.deidentify import deidentify
from viewer.studies.project_file import change_project, read_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLS = pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.slow)])
_DEIDENTIFYING = """
import sys
from pathlib import Path
from viewer.slides.writing.deidentify import deidentify
deidentify(Path(sys.argv[1]), Path(sys.argv[2]), overwrite=True)
"""
_IMPORTING = """
import sys
from pathlib import Path
from viewer.recording.importers.importing import import_log
import_log(Path(sys.argv[1]), Path(sys.argv[2]))
"""
_CHANGING = """
import sys
from pathlib import Path
import msgspec
from viewer.studies.project import Project, ProjectSlide
from viewer.studies.project_file import change_project, create_project
folder = Path(sys.argv[1])
def slides(count):
    return tuple(ProjectSlide(identity=f"id{n}", path=f"{n}.svs") for n in range(count))
create_project(folder, Project(slides=slides(2000)))
for count in range(2001, 2020):
    change_project(folder, lambda project: msgspec.structs.replace(project, slides=slides(count)))
    print(count, flush=True)
"""

_MASKING = """
import sys
from pathlib import Path
import shapely
from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.masks.label_masks import MaskPlace, write_mask
left, right = (shapely.box(x, 10, x + 30, 40) for x in (10, 60))
for number in range(40):
    region = Annotation((left, right)[number % 2], shown_as=AnnotationClass("AB"[number % 2]))
    write_mask(Path(sys.argv[1]), [region], MaskPlace((100, 100)))
"""
_EMBEDDING = """
import sys
import numpy as np
from viewer.cohort.features.rows import Encoder, SlideFeatures
from viewer.cohort.features.store import FeatureStore
encoder = Encoder("key", "Toy", "1", 4, 224, 0.5, "abc")
store = FeatureStore(sys.argv[1], writes=True)
for count in (3, 2, 3, 2, 3):
    places, vectors = np.zeros((count, 2)), np.full((count, 4), count, np.float16)
    places[:, 0] = np.arange(count)
    quality = np.ones(count, np.float32)
    features = SlideFeatures("a", "/a", "a", float(count), 1.0, places, vectors, quality, {})
    store.add_slide(encoder, features)
    print(count, flush=True)
"""


def kill_at_random(
    program: str, arguments: list[object], kills: int, check: Callable[[list[bytes]], object]
) -> None:
    """Run a program to its end, then kill it at moments of that time; look what it left.

    Parameters
    ----------
    check
        Takes the lines that the program had said.
    """
    words = [sys.executable, "-c", program, *map(str, arguments)]
    took_s = 0.0
    for _ in range(2):  # the first time what it imports is imported
        begin_s = time.perf_counter()
        whole = forked_programs.run(words, check=True, timeout=120, capture_output=True)
        took_s = time.perf_counter() - begin_s
        check(whole.stdout.splitlines())
    moments = random.Random(0)
    for _ in range(kills):
        with forked_programs.Popen(words, stdout=subprocess.PIPE) as child:
            time.sleep(moments.uniform(0.0, took_s))
            child.send_signal(signal.SIGKILL)
            said, _ = child.communicate()
        check([line for line in said.splitlines(keepends=True) if line.endswith(b"\n")])


@KILLS
def test_a_deidentified_copy_is_the_old_or_the_new_one(
    tmp_path: Path, sample_slide: Path, kills: int
) -> None:
    copy = tmp_path / "copy.svs"
    whole, _ = deidentify(sample_slide, tmp_path / "whole.svs")

    def check(_said: list[bytes]) -> None:
        assert copy.read_bytes() in (b"old", whole.read_bytes())
        copy.write_bytes(b"old")

    kill_at_random(_DEIDENTIFYING, [sample_slide, copy], kills, check)


@KILLS
def test_an_imported_session_is_there_once_and_whole(tmp_path: Path, kills: int) -> None:
    log, library = tmp_path / "log.tsv", tmp_path / "library"
    columns = "Timestamp", "X", "Y", "Width", "Height", "Downsample factor", "Rotation"
    views = [f"{n * 40}\t{n % 900}\t{n % 700}\t1000\t800\t1.0\t0" for n in range(12_000)]
    log.write_text("\n".join(["\t".join(columns), *views]) + "\n")

    def check(_said: list[bytes]) -> None:
        sessions = Library(library)
        before = sessions.names()
        assert import_log(log, library) == sessions.names()
        assert before in ([], sessions.names())
        (folder,) = sessions.folders()
        verdict = verify(folder)
        assert verdict.is_good
        assert verdict.lines > 1000
        sessions.delete(folder.name)

    kill_at_random(_IMPORTING, [log, library], kills, check)


@KILLS
def test_a_project_holds_each_change_that_was_said_to_be_written(
    tmp_path: Path, kills: int
) -> None:
    folder = tmp_path / "project"

    def check(said: list[bytes]) -> None:
        if (folder / "project.json").exists():
            assert len(read_project(folder).slides) >= (int(said[-1]) if said else 0)
            change_project(folder, lambda project: project)
            (folder / "project.json").unlink()
        else:
            assert not said

    kill_at_random(_CHANGING, [folder], kills, check)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mask.png", "mask.ome.tif"])
def test_a_mask_is_never_read_by_the_legend_of_another(tmp_path: Path, name: str) -> None:
    path = tmp_path / name

    def check(_said: list[bytes]) -> None:
        if path.exists():
            (region,) = read_mask(path, [])
            expected = "A" if region.geometry.bounds[0] == 10 else "B"
            assert region.class_name in (expected, "Label 1")

    kill_at_random(_MASKING, [path], 200, check)


@pytest.mark.slow
def test_the_features_of_a_slide_are_the_former_or_the_new_ones(tmp_path: Path) -> None:
    encoder = Encoder("key", "Toy", "1", 4, 224, 0.5, "abc")
    place = tmp_path / "store"

    def check(said: list[bytes]) -> None:
        store = FeatureStore(place, writes=True)
        if "a" not in store.slides(encoder):
            assert not said
            return
        found = store.read_slide(encoder, "a")
        count = len(found)
        assert count in (2, 3)
        assert found.vectors.tolist() == [[count] * 4] * count
        assert found.mpp_um == count

    kill_at_random(_EMBEDDING, [place], 100, check)
