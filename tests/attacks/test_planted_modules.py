"""Modules that lie about where a slide was downloaded: none is imported, whatever is started."""

from __future__ import annotations

import os
import shutil
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
    """The model, the helper that writes tables, and the process of a query, one after another.

    Modules lie beside the model as well.
    """
    folder = slide.parent
    shutil.copytree(REPOSITORY / "resources" / "models" / "tissue-quality", folder / "model")
    plant(folder / "model", trace, PLANTED)
    done = run(COVERSLIP, "run", "model", slide.name, *REGION, "-o", "r.parquet", folder=folder)
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


def test_of_pythonpath_children_search_folders_of_installed_packages_alone(tmp_path: Path) -> None:
    """As clusters name them."""
    installed = tmp_path / "cluster" / "site-packages"
    named = [str(tmp_path), "", str(installed), str(installed / "torch")]
    asked = "from viewer.processes.confinement.readable import package_folders as p; print(*p())"
    done = run([sys.executable, "-c", asked], folder=REPOSITORY, PYTHONPATH=os.pathsep.join(named))
    assert done.returncode == 0, done.stderr
    folders = done.stdout.split()
    assert {Path(each).name for each in folders} <= {"site-packages", "dist-packages"}
    assert folders[0] == str(installed)


WITNESS = """
#include <stdio.h>
__attribute__((constructor)) static void say(int count, char **words) {
    FILE *trace = fopen(TRACE, "a");
    if (!trace) return;
    for (int n = 0; n < count; n++) fprintf(trace, "%s ", words[n]);
    fprintf(trace, "\\n");
    fclose(trace);
}
"""


@pytest.fixture
def witness(tmp_path: Path, trace: Path) -> Path:
    """A library that says in which process it was loaded."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("There is no C compiler.")
    source, library = tmp_path / "witness.c", tmp_path / "libraries" / "libc10.so"
    source.write_text(WITNESS)
    library.parent.mkdir()
    options = ["-shared", "-fPIC", f'-DTRACE="{trace}"']
    subprocess.run([compiler, *options, "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("home", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_the_environment_names_is_run_by_no_child(
    home: bool, sample_slide: Path, tmp_path: Path, trace: Path, witness: Path
) -> None:
    """It is the user's, so the program itself is under it; its readers and models are not.

    Nor is the helper, as far as modules go. The home of Python is set once the program runs, which
    would not start with that.
    """
    planted = tmp_path / "planted"
    plant(planted, trace, [name for name in IMPORTED_LATER if name != "duckdb"])
    said = f"import sys; print('module', *sys.orig_argv, file=open({str(trace)!r}, 'a'))\n"
    for name in ("sitecustomize", "usercustomize", "startup"):
        (planted / f"{name}.py").write_text(said)
    variables = {
        "LD_PRELOAD": str(witness),
        "LD_LIBRARY_PATH": str(witness.parent),  # where torch would find the first of its own
        "PYTHONSTARTUP": str(planted / "startup.py"),
        "PYTHONINSPECT": "1",
    } | ({"PYTHONHOME": str(planted)} if home else {"PYTHONPATH": str(planted)})
    out = tmp_path / ("r.csv" if home else "r.parquet")  # the helper writes the other
    words = ["run", "tissue-quality", str(sample_slide), *REGION, "-o", str(out)]
    starting = f"import os, sys; os.environ |= {variables!r}; sys.argv[1:] = {words!r}; "
    starting += "from viewer.cli import main; main()"
    done = run([sys.executable, "-P", "-c", starting], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 100
    lines = trace.read_text().splitlines() if trace.exists() else []
    assert all("viewer.processes.helper_entry" in line for line in lines), lines
    assert not any(line.startswith("module") for line in lines), lines
    assert bool(lines) != home, "the helper is under it, which shows that it works"
