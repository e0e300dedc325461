"""What is built is whole, and finds its own files however it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).parents[1]
SLIDE = "slides/CMU-1-Small-Region.svs"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        env=os.environ | environment, cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def names() -> list[str]:
    """The files of the repository."""
    shown = ["git", "-C", str(REPOSITORY), "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(shown, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("the list of the program's files is git's")
    return [name for name in listed.stdout.splitlines() if (REPOSITORY / name).is_file()]


@pytest.fixture(scope="module")
def tree(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository: a build leaves folders in its tree."""
    tree = tmp_path_factory.mktemp("tree")
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(REPOSITORY / name)
    return tree


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    done = run(*pip, "-w", out, tree)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


def test_a_source_archive_holds_all_that_its_tests_need(
    tree: Path, names: list[str], tmp_path: Path
) -> None:
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    needed = {name for name in names if not name.startswith((".git", ".pre-commit"))}
    assert needed - held == set()


def test_a_wheel_holds_the_program_its_models_slide_and_documents(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    for folder, package in (("resources", "coverslip/resources"), ("docs", "coverslip/docs")):
        for path in (REPOSITORY / folder).rglob("*"):
            if path.is_file():
                assert f"{package}/{path.relative_to(REPOSITORY / folder).as_posix()}" in names
    assert {"viewer/py.typed", "coverslip/py.typed", "coverslip/__main__.py"} <= names
    tops = {name.split("/")[0] for name in names if "dist-info" not in name}
    assert tops == {"viewer", "coverslip"}


@pytest.mark.parametrize("way", ["--prefix", pytest.param("--target", marks=pytest.mark.slow)])
def test_its_files_are_found_where_it_is_installed(wheel: Path, way: str, tmp_path: Path) -> None:
    place, home = tmp_path / "place", tmp_path / "home"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "-I",
        "--no-deps",
        "--no-compile",  # of its modules a few are imported below
        "--no-warn-script-location",
    ]
    assert run(*pip, way, place, wheel).returncode == 0
    site = next(path.parent for path in place.rglob("coverslip") if (path / "docs").is_dir())
    shown = run(
        sys.executable, "-m", "coverslip", "models", "list",
        PYTHONPATH=str(site), COVERSLIP_HOME=str(home),
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "Nuclei" in shown.stdout
    script = "from viewer.resource_files import document, resource; "
    script += f"print(resource('{SLIDE}').is_file(), document('models.md').is_file(), resource())"
    where = run(sys.executable, "-c", script, PYTHONPATH=str(site)).stdout
    assert where.split() == ["True", "True", str(site / "coverslip" / "resources")]


def test_the_site_of_the_documents_is_built_without_a_warning(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", REPOSITORY / "mkdocs.yml"]
    done = run(*build, "-d", tmp_path / "site", NO_MKDOCS_2_WARNING="1", PYTHONPATH=str(REPOSITORY))
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for page in ("index", "models", "api", "cards/nuclei"):
        assert (tmp_path / "site" / f"{page}.html").is_file()
    assert "read_region" in (tmp_path / "site" / "api.html").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1700)
def test_the_viewer_works_without_torch_and_models_with_it(wheel: Path, tmp_path: Path) -> None:
    """On a machine with nothing but Python, and network for what pip fetches."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    constraints = REPOSITORY / "constraints.txt"
    pip = [python, "-m", "pip", "install", "-q", "-c", constraints]
    assert run(*pip, wheel).returncode == 0
    assert run(python, "-c", "import torch").returncode != 0
    coverslip = tmp_path / "env" / "bin" / "coverslip"
    here = {"COVERSLIP_HOME": str(tmp_path / "home"), "QT_QPA_PLATFORM": "offscreen"}
    slide = REPOSITORY / "resources" / SLIDE
    about = run(coverslip, "info", slide, **here)
    assert about.returncode == 0, about.stderr
    picture = tmp_path / "shot.png"
    assert run(coverslip, "shot", slide, "-o", picture, **here).returncode == 0
    field = ["--region", "800,1200,400,400"]
    for command in (["run", "nuclei", slide, *field], ["train", "behavior", "-o", tmp_path / "m"]):
        done = run(coverslip, *command, **here)
        assert done.returncode == 2
        assert "coverslip[ai]" in done.stderr
        assert "Traceback" not in done.stderr
    assert run(*pip, f"{wheel}[ai]").returncode == 0
    done = run(coverslip, "run", "nuclei", slide, *field, **here)
    assert done.returncode == 0, done.stderr
    assert run(python, "-m", "pip", "uninstall", "-y", "-q", "coverslip").returncode == 0
    left = [path for path in (tmp_path / "env").rglob("*") if path.name in ("viewer", "coverslip")]
    assert left == []
