"""Modules that lie about where a slide was downloaded: none is imported, whatever is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from measured_runs import REPOSITORY

from viewer.slides.reader_process.plugins import GROUP as READERS

PLANTED = [
    "viewer",
    "coverslip",
    "training",
    "torch",
    "numpy",
    "scipy",
    "msgspec",
    "os",
    "sys",
    "site",
    "sitecustomize",
    "usercustomize",
    "conftest",
    "json",
    "ctypes",
    "typing",
    "logging",
    "typer",
    "rich",
    "PIL",
    "tifffile",
    "imagecodecs",
    "openslide",
    "shapely",
    "safetensors",
    "onnxruntime",
    "pyarrow",
    "h5py",
    "zarr",
    "duckdb",
    "openai",
    "regex",
    "psutil",
    "PySide6",
    "tokenizers",
    "keyring",
]
IMPORTED_LATER = ["torch", "safetensors", "pyarrow", "h5py", "zarr", "duckdb", "openai", "wsidicom"]
"""What is imported once the command line runs, by it or by its children."""
REGION = ("--region", "1100,1100,200,200")
COVERSLIP = [str(Path(sys.executable).with_name("coverslip"))]
APP = [sys.executable, str(REPOSITORY / "app.py")]


def plant(folder: Path, trace: Path, names: list[str]) -> None:
    """Lay modules in a folder that say when they are run, a .pth file, and a reader's name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(f"open({str(trace)!r}, 'a').write({name!r} + chr(10))\n")
    (folder / "evil.pth").write_text(f"import os; open({str(trace)!r}, 'a').write('pth')\n")
    about = folder / "evil-1.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{READERS}]\nevil = viewer:read\n")


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "was-run"


@pytest.fixture
def slide(sample_slide: Path, tmp_path: Path, trace: Path) -> Path:
    """A slide in a folder of downloads with modules of all names beside it."""
    plant(tmp_path / "downloads", trace, PLANTED)
    path = tmp_path / "downloads" / "slide.svs"
    path.symlink_to(sample_slide)
    return path


def run(
    command: list[str], *arguments: object, folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", **variables}
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def test_the_modules_would_be_run_by_a_python_that_starts_there(slide: Path, trace: Path) -> None:
    run([sys.executable], "-c", "import viewer", folder=slide.parent)
    assert trace.read_text() == "viewer\n"


def test_no_entry_imports_what_lies_in_the_current_folder(slide: Path, trace: Path) -> None:
    """The window and its readers, app.py and its; models have a test in test_hostile_models.py."""
    out = slide.parent / "window.png"
    for entry, arguments in ((COVERSLIP, ("open", "--picture", out)), (APP, ("info",))):
        done = run(entry, *arguments, slide.name, folder=slide.parent)
        assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 10_000
    assert not trace.exists(), trace.read_text()


def test_no_child_imports_what_lies_in_the_current_folder(slide: Path, trace: Path) -> None:
    """The model, the helper that writes tables, and the process of a query, one after another."""
    folder = slide.parent
    done = run(
        COVERSLIP, "run", "tissue-quality", slide.name, *REGION, "-o", "r.parquet", folder=folder
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "r.parquet").read_bytes()[:4] == b"PAR1"
    done = run(COVERSLIP, "query", "select count(*) from slides", folder=folder)
    assert done.returncode == 0, done.stderr
    assert not trace.exists(), trace.read_text()


def test_an_empty_entry_of_pythonpath_gives_nothing_once_the_program_runs(
    sample_slide: Path, tmp_path: Path, trace: Path
) -> None:
    """It means the current folder, of which Python itself takes what a start imports first."""
    folder = tmp_path / "downloads"
    plant(folder, trace, IMPORTED_LATER)
    empty = {"PYTHONPATH": os.pathsep}
    out = folder / "r.parquet"
    done = run(
        COVERSLIP, "run", "tissue-quality", sample_slide, *REGION, "-o", out, folder=folder, **empty
    )
    assert done.returncode == 0, done.stderr
    assert out.exists()
    done = run(COVERSLIP, "query", "select count(*) from slides", folder=folder, **empty)
    assert done.returncode == 0, done.stderr
    assert not trace.exists(), trace.read_text()
