"""Programs that measure are told plainly that their folder of data is another one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from training import (
    cell_accuracy,
    evaluate_nuclei,
    pixel_accuracy,
    taught_accuracy,
    train_detector,
    train_nuclei,
    train_slide,
    train_tissue,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("main", "lacks"),
    [
        (pixel_accuracy.main, "crc-val-he-7k/*/*.jpg, osteosarcoma-ut/*/*.jpg"),
        (evaluate_nuclei.main, "nuclei"),
        (taught_accuracy.main, "nuclei"),
        (cell_accuracy.main, "nuclei, not-openslide"),
        (train_detector.main, "nuclei/bbbc038-brightfield-train.npz"),
        (
            train_nuclei.main,
            "nuclei/bbbc038-brightfield-train.npz, nuclei/tnbc-train-augmented.npz",
        ),
        (train_slide.main, "tiles/osteosarcoma-ut/*/*.jpg"),
        (train_tissue.main, "tiles/crc-val-he-7k/*/*.jpg"),
    ],
)
def test_a_wrong_folder_is_refused(
    main: Callable[[], None],
    lacks: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for folder, sentence in ((tmp_path, f"lacks {lacks}:"), (tmp_path / "none", "is no folder")):
        monkeypatch.setattr(sys, "argv", ["program", str(folder)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        said = capsys.readouterr()
        assert sentence in said.err
        assert not said.out, "nothing is printed before"
