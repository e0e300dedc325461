"""Fixtures that all tests share: slides to read, and Qt without a screen."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import forked_programs
import hypothesis
import own_process
import psutil
import pytest
from forked_children import ForkServer
from pytestqt.qtbot import QtBot

from viewer import redaction
from viewer.audit_log import trail
from viewer.cohort import executor
from viewer.files import atomic_write
from viewer.memory.allocator import keep_freed_memory
from viewer.processes import own_modules
from viewer.processes.confinement import launching, spawning

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # the tests run on all cores by themselves
# Memory of one test serves the next: to get pages and clear them was a tenth of the tests' time.
keep_freed_memory()
for _wait in (QtBot.waitUntil, QtBot.waitSignal, QtBot.waitExposed, QtBot.waitActive):
    # Five seconds are little where other tests run on the same cores.
    _defaults = _wait.__kwdefaults__
    assert _defaults is not None
    _defaults["timeout"] = 20_000
# The user's own keyring is not touched, and no process of the tests looks for one.
os.environ.setdefault("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
hypothesis.settings.register_profile("untimed", deadline=None)  # machines are noisy
hypothesis.settings.load_profile("untimed")

LONGEST_FILES = (
    "test_overlays.py", "test_bombs.py", "test_hostile_models.py", "test_corrected_outlines.py",
    "test_behavior_training.py", "test_bulk_edits.py", "test_measures.py",
    "test_project_panel.py", "test_every_command.py", "test_questions.py", "test_package.py",
    "test_taught_objects.py", "test_tile_explaining.py", "test_result_stores.py",
    "test_annotating.py", "test_reader_process.py", "test_tiff_jpeg_color.py", "test_strokes.py",
    "test_engine.py", "test_cells.py", "test_canvas_view.py", "test_nuclei_model.py",
    "test_converting.py", "test_annotation_model.py", "test_replay.py", "test_prompts.py",
    "test_agents.py", "test_review.py", "test_worklist.py", "test_drawing.py",
)  # fmt: skip
"""Begun first, in this order, so that at the end no process of the tests waits for a long file."""

MEMORY_BYTES = 3 << 30
"""Of the machine, for each process of the tests with its children."""

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLE_SLIDE = REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files alike in all processes of a run, whichever way each collected them."""
    ranks = {name: rank for rank, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: (ranks.get(item.path.name, len(ranks)), str(item.path)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use one process more than there are cores: a quarter of the tests' time is waiting."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    has_room = psutil.virtual_memory().total > MEMORY_BYTES * (cores + 1)
    return cores + has_room


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[object]:
    """Collect without looking for garbage, and never look for it in what was collected.

    What tests leave behind is looked for more rarely than usual: all that was imported and all
    windows would be walked through hundreds of times.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_sessionfinish() -> None:
    """Look for garbage once, not five times as pytest does, and another as Python ends."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let processes begin at either end and in the middle: to rewrite assertions takes seconds.

    What one has rewritten is there for the others.
    """
    report = yield
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if isinstance(collector, pytest.Dir) and report.result:
        if worker.endswith(("1", "3")):
            report.result.reverse()
        elif worker.endswith("2"):
            middle = len(report.result) // 2
            report.result[:] = report.result[middle:] + report.result[:middle]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run the files that ask for it in a process of their own."""
    if not own_process.runs_elsewhere(item):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    own_process.run_elsewhere(item)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    item.session._setupstate.teardown_exact(nextitem)
    return True


def pytest_configure(config: pytest.Config) -> None:
    """Write reports down where this is a process for one file of tests."""
    own_process.keep_reports(config)


def shared_data() -> Path:
    """The folder with the slides that may not be bundled."""
    return Path(os.environ.get("COVERSLIP_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def sample_slide() -> Path:
    return SAMPLE_SLIDE


@pytest.fixture
def shared_slide() -> Callable[[str], Path]:
    """Finds a slide such as "slides/boxes.tiff" in the shared data, or skips the test."""

    def find(name: str) -> Path:
        path = shared_data() / name
        if not path.exists():
            pytest.skip(f"{name} is not here: set COVERSLIP_TEST_DATA to the folder that holds it")
        return path

    return find


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes an empty folder: pytest's own way looks through all that were made before."""
    homes, numbers = tmp_path_factory.mktemp("homes"), itertools.count()

    def make() -> Path:
        home = homes / f"home{next(numbers)}"
        home.mkdir(mode=0o700)
        return home

    return make


@pytest.fixture(autouse=True)
def own_home(new_home: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings, caches and logs of a test go to a folder of its own."""
    home = new_home()
    monkeypatch.setenv("COVERSLIP_HOME", str(home))
    # What one test opened is not left out of the reports of another.
    monkeypatch.setattr(redaction, "_known", redaction.KnownNames())
    # Nor is what it writes noted because a command was run earlier.
    monkeypatch.setattr(atomic_write, "on_export", None)
    yield home
    # Else the next test's home would tell of this one's slides.
    if not trail.flush():
        trail._waiting.clear()


@pytest.fixture(scope="session", autouse=True)
def own_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What waits in memory for a full disk is not found by other runs, or left by them."""
    with pytest.MonkeyPatch.context() as patch:
        module = import_module("viewer.stand_in.left_behind")  # a function has this name, too
        patch.setattr(module, "_MEMORY", tmp_path_factory.mktemp("memory"))
        yield


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What a command adds to the logging of its process goes when its test ends."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        if not type(handler).__module__.startswith("_pytest"):
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def forked_children() -> Iterator[None]:
    """Children are forked from a process that has imported their libraries already."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":
            patch.setattr(launching, "spawn", ForkServer().spawn)
            for starting in (executor, own_modules):
                patch.setattr(starting, "subprocess", forked_programs)
        yield


@pytest.fixture(scope="session")
def quick_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the bundled models, in which that of nuclei is quick."""
    from quick_models import make_quick_models  # which needs torch

    folder = tmp_path_factory.mktemp("models")
    make_quick_models(folder)
    return folder


@pytest.fixture
def quick_nuclei(quick_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled model of nuclei is a quick one: for tests of what is done with nuclei."""
    monkeypatch.setattr("viewer.inference.models.model_library.BUNDLED", quick_models)


@pytest.fixture(scope="module")
def real_children() -> Iterator[None]:
    """Children are started as the program starts them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launching, "spawn", spawning.spawn)
        for starting in (executor, own_modules):
            patch.setattr(starting, "subprocess", subprocess)
        yield


@pytest.fixture
def new_children() -> Callable[[], list[psutil.Process]]:
    """Find the children that a test started, not those that earlier tests left behind."""
    earlier = set(psutil.Process().children())
    return lambda: [child for child in psutil.Process().children() if child not in earlier]
