"""What each confined process is given, and what becomes of one that was taken over."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import imagecodecs
import pytest
from attack_steps import take_over_what_reads

from viewer.annotations.formats.dicom.files import read_dicom
from viewer.annotations.formats.exchange import MASK
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.masks.mask_legend import legend_path
from viewer.cohort.query.running import ask, collected
from viewer.errors import CoverslipError
from viewer.folders import cache_folder
from viewer.inference.process.model_process import ModelProcess
from viewer.limits import Limit
from viewer.overlays.files import foreign_table
from viewer.overlays.files.foreign_table import read_binary_table
from viewer.processes import file_process
from viewer.processes.confinement import launching, readable
from viewer.processes.confinement.spawning import SpawnedProcess, spawn
from viewer.slides.colors.profile import ColorProfile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADOBE = imagecodecs.cms_profile("adobergb")
GIVEN_VARIABLES = {
    "HOME", "TMPDIR", "XDG_CACHE_HOME", "USER", "LOGNAME", "TORCH_DEVICE_BACKEND_AUTOLOAD",
}  # fmt: skip
NAMED_VARIABLES = ("CUDA_", "LANG", "LC_", "TZ", "OMP_", "OPENBLAS_", "MKL_")


class Started(NamedTuple):
    """A child as it was started: which module, and what it may read beside the libraries."""

    main: str
    readable: list[str]
    descriptors: int


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Started]:
    """What is started from now on."""
    found: list[Started] = []

    def start(command: list[str], **options: Any) -> SpawnedProcess:
        orders = [each.partition("=") for each in command[: command.index("--")] if "=" in each]
        assert "confined" in [name for name, _, _ in orders]
        own = {*readable.library_paths(), *readable.cuda_paths()}
        paths = [path for name, _, path in orders if name == "read" and path not in own]
        (main,) = (value for name, _, value in orders if name == "main")
        found.append(Started(main, paths, len(options["inherited_fds"])))
        variables = options["environment"].keys() - GIVEN_VARIABLES
        assert [each for each in variables if not each.startswith(NAMED_VARIABLES)] == []
        (written,) = (path for name, _, path in orders if name == "write")
        assert written == options["folder"]
        return spawn(command, **options)

    monkeypatch.setenv("MY_TOKEN", "secret")
    monkeypatch.setattr(launching, "spawn", start)
    return found


def read_table(folder: Path, name: str) -> list[str]:
    (folder / name).write_bytes(b"no table")
    with contextlib.suppress(CoverslipError):
        read_binary_table(folder / name)
    return []


def read_profile(_: Path) -> list[str]:
    ColorProfile(ADOBE)
    return []


def read_mask(folder: Path) -> list[str]:
    path = folder / "m.png"
    path.write_bytes(b"no mask")
    legend_path(path).write_text("{}")
    with contextlib.suppress(CoverslipError):
        list(MASK.read(path, []))
    return [str(path), str(legend_path(path))]


def read_dicom_annotations(folder: Path) -> list[str]:
    pytest.importorskip("highdicom")
    path, slide = folder / "a.dcm", folder / "slide" / "1.dcm"
    path.write_bytes(b"no annotations")
    slide.parent.mkdir()
    with contextlib.suppress(CoverslipError):
        list(read_dicom(path, [], SlidePlace(str(slide))))
    return [str(slide.parent)]


def start_model(_: Path) -> list[str]:
    pytest.importorskip("torch")
    ModelProcess().close()
    return []


@pytest.mark.parametrize(
    ("main", "start"),
    [
        ("viewer.overlays.files.table_process", partial(read_table, name="a.parquet")),
        ("viewer.overlays.files.table_process", partial(read_table, name="a.h5")),
        ("viewer.slides.colors.process", read_profile),
        ("viewer.annotations.masks.mask_process", read_mask),
        ("viewer.annotations.formats.dicom.reading_process", read_dicom_annotations),
        ("viewer.inference.process.model_main", start_model),
    ],
    ids=["parquet", "hdf5", "color", "mask", "dicom", "model"],
)
def test_a_process_is_given_what_the_table_says(
    main: str, start: Callable[[Path], list[str]], started: list[Started], tmp_path: Path
) -> None:
    """Its files, an open file or pixels, its channel, and no variable of the user's."""
    paths = start(tmp_path)
    assert started == [Started(main, paths, 2)]


def test_a_query_may_read_the_kept_results_alone(started: list[Started]) -> None:
    pytest.importorskip("duckdb")
    results = cache_folder() / "overlays"
    results.mkdir(parents=True)
    assert collected(ask("select 1")) == [[1]]
    (query,) = started
    made, *kept = query.readable
    assert made.rpartition("/")[2].startswith("coverslip-query-")
    assert (query.main, kept, query.descriptors) == (
        "viewer.cohort.query.process",
        [str(results)],
        1,
    )


# What a process says that was taken over --------------------------------------------------------


@pytest.fixture
def take_over(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return partial(take_over_what_reads, monkeypatch)


@pytest.mark.parametrize(
    "code",
    [
        'say(type="ReadBatch", annotations=[b"none"], problems=[], is_last=True)',
        'say(type="ReadBatch", annotations=[b"\\x92\\x91"], problems=[], is_last=True)',
        'say(type="ReadBatch", annotations=7, problems=[], is_last=True)',
        'say(type="Colors", data=b"")',
        'channel.sendall(b"\\xff" * 64)',
        "import os; os._exit(0)",
    ],
    ids=["no annotation", "half of one", "no list", "another answer", "endless frame", "end"],
)
def test_what_is_no_answer_is_one_sentence(
    code: str, take_over: Callable[[str], None], tmp_path: Path
) -> None:
    take_over(code)
    path = tmp_path / "m.png"
    path.write_bytes(b"a mask")
    with pytest.raises(AnnotationFileError, match=r"m\.png cannot be read: the process") as said:
        list(MASK.read(path, []))
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("code", ['say(type="Colors", data=b"123")', 'say(type="ReadBatch")'])
def test_other_colors_than_were_asked_for_are_not_used(
    code: str, take_over: Callable[[str], None]
) -> None:
    take_over(code)
    with pytest.raises(CoverslipError, match="colors are shown as stored"):
        ColorProfile(ADOBE)


def test_a_process_that_does_not_answer_is_ended(
    take_over: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(1, file_process.ANSWER_SECONDS.text)
    monkeypatch.setattr(file_process, "ANSWER_SECONDS", limit)
    take_over("")
    with pytest.raises(CoverslipError, match="it took more than 1 s"):
        read_table_of(tmp_path)


def test_a_process_that_takes_too_much_memory_is_ended(
    take_over: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(100 << 20, foreign_table.TABLE_BYTES.text)
    monkeypatch.setattr(foreign_table, "TABLE_BYTES", limit)
    take_over(r'held = b"\1" * (300 << 20)')
    with pytest.raises(CoverslipError, match="too large to open"):
        read_table_of(tmp_path)


def read_table_of(folder: Path) -> None:
    (folder / "a.parquet").write_bytes(b"PAR1")
    read_binary_table(folder / "a.parquet")
