"""The example of behavior cloning runs as written, on sessions of simulated readers."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import pytest
import torch

from viewer.attention.simulating import PolicyParameters, simulate_session
from viewer.recording.export import ExportOptions, export_sessions
from viewer.slides import open_slide

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "behavior_cloning.py"


@pytest.mark.timeout(900)
def test_the_example_learns_and_is_measured_against_chance(
    sample_slide: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    slides, library = tmp_path / "slides", tmp_path / "sessions"
    slides.mkdir()
    (slides / "notes.txt").write_text("no slide")
    for number in range(3):  # copies with more bytes at the end are other slides
        path = slides / f"{number}.svs"
        shutil.copyfile(sample_slide, path)
        with path.open("ab") as file:
            file.write(bytes(number + 1))
        source = open_slide(path)
        simulate_session(source, "drill", number, library, PolicyParameters(spots=2))
        source.close()
    steps = tmp_path / "steps"
    asked = ExportOptions(format="trajectories", least_dwell_s=0.5)
    export_sessions(sorted(library.iterdir()), steps, asked)
    arguments = [str(EXAMPLE), str(steps), str(slides), "--epochs", "2"]
    monkeypatch.setattr("sys.argv", arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert "1 sessions taught, 1 held back" in printed
    for name in ("cloned", "random"):
        shares = [float(share) for share in re.findall(rf", {name}: ([\d.]+)", printed)]
        assert len(shares) == 2, printed
        assert all(0 <= share <= 1 for share in shares)
