"""The lid closes in the middle of a stroke: what was drawn is there again, and goes to QuPath."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import annotating_steps
import forked_programs
import pytest

from viewer.annotations.annotation import Annotation
from viewer.annotations.formats.exchange import FORMATS, read_annotations
from viewer.annotations.formats.problems import Problem
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.slide_file import open_annotations
from viewer.slides import open_slide

_PROGRAM = Path(__file__).with_name("annotator_process.py")
_REPOSITORY = Path(__file__).resolve().parents[2]
_PATHS = (_REPOSITORY, Path(annotating_steps.__file__).parent)
_KILLS = 4


@pytest.mark.timeout(300)
def test_a_window_killed_in_the_middle_of_strokes_loses_none_that_was_saved(
    sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = random.Random(7)
    home = tmp_path / "home"
    monkeypatch.setenv("COVERSLIP_HOME", str(home))
    source = open_slide(sample_slide)
    path = annotations_path(source.info.identity)
    source.close()
    before, annotations = 0, list[Annotation]()
    for _ in range(_KILLS):
        process = forked_programs.Popen(
            [sys.executable, str(_PROGRAM), str(sample_slide)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, _PATHS))},
        )
        assert process.stdout is not None
        for _ in range(moments.randint(2, 5)):
            assert process.stdout.readline(), "the window ended by itself"
        time.sleep(moments.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        told = [int(line) for line in process.stdout.read().split()]
        process.wait()
        process.stdout.close()
        opened = open_annotations(path)
        assert not opened.is_read_only
        assert opened.notice == ""
        assert len(opened.annotations) >= max([before, *told])
        before = len(opened.annotations)
        annotations = opened.annotations
        opened.close()
    assert before >= 2 * _KILLS
    assert all(each.geometry.is_valid for each in annotations)

    problems: list[Problem] = []
    assert FORMATS["qupath"].write(tmp_path / "out.geojson", annotations) == []
    back = list(read_annotations(tmp_path / "out.geojson", problems))
    assert problems == []
    assert [each.id for each in back] == [each.id for each in annotations]
    assert all(
        now.geometry.hausdorff_distance(then.geometry) < 0.02
        for now, then in zip(back, annotations, strict=True)
    )
