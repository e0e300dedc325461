"""Watches a folder: checks each slide once it is whole, and keeps what was found."""

from __future__ import annotations

import hashlib
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from PIL import Image

from viewer.access import OWNER_FILE, make_folder
from viewer.cohort.arrival.checking import SlideCheck, check_slide
from viewer.cohort.arrival.contact_sheet import write_contact_sheet
from viewer.cohort.errors import BatchError
from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.kept_lines import append_lines, read_bodies
from viewer.folders import data_folder
from viewer.inference.process.spare_process import model_processes_kept
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.slides.files.slide_files import slide_stamp
from viewer.slides.tray import slides_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.slides.source import RgbImage

_LOG, _PICTURES = "checks.log", "pictures"
_PICTURE_PX = 320
_JPEG_QUALITY = 80


class WatchListener(Protocol):
    """Who hears of checks."""

    def on_check(self, check: SlideCheck) -> None: ...

    def on_problem(self, sentence: str) -> None: ...


def watched_folder(folder: Path) -> Path:
    """Return where what is found of a folder is kept, unless another place is given."""
    name = hashlib.blake2b(str(folder.absolute()).encode(), digest_size=8).hexdigest()
    return data_folder() / "watched" / f"{folder.absolute().name}-{name}"


class FolderWatch(msgspec.Struct):
    """The slides of a folder and what was found of them, kept in `out`.

    Raises BatchError where nothing can be kept.

    Attributes
    ----------
    mpp_um
        µm per level-0 pixel of slides that do not tell theirs.
    problem
        Why the folder could not be read at the last look, one sentence; "" where it could.
    """

    folder: Path
    out: Path
    listener: WatchListener
    mpp_um: float | None = None
    problem: str = ""
    _checks: dict[str, SlideCheck] = msgspec.field(default_factory=dict[str, SlideCheck])
    _sizes: dict[Path, tuple[int, int]] = msgspec.field(default_factory=dict[Path, tuple[int, int]])

    def __post_init__(self) -> None:
        try:
            make_folder(self.out / _PICTURES)
            bodies = read_bodies(self.out / _LOG)
        except OSError as error:
            raise self._unusable(error) from error
        for body in bodies:
            try:
                check = msgspec.json.decode(body, type=prepared(SlideCheck))
            except DECODE_ERRORS:
                continue
            self._checks[check.path] = check

    @property
    def checks(self) -> list[SlideCheck]:
        """Return what was found of the slides that are there, in their order."""
        paths = [str(path.absolute()) for path in self._listed()]
        return [self._checks[path] for path in paths if path in self._checks]

    def look(self, *, waits_for_growth: bool = True) -> int:
        """Check the slides that came or changed, and return how many were checked.

        Parameters
        ----------
        waits_for_growth
            Whether a file counts as whole only when it is as large as at the last look: scanners
            and copies write for minutes.
        """
        due: list[tuple[Path, tuple[int, int]]] = []
        sizes: dict[Path, tuple[int, int]] = {}
        for path in self._listed():
            sizes[path] = stamp = slide_stamp(path)
            held = self._checks.get(str(path.absolute()))
            if held is not None and held.file == stamp and not self._is_scaled_now(held):
                continue
            if not waits_for_growth or self._sizes.get(path) == stamp:
                due.append((path, stamp))
        self._sizes = sizes
        with model_processes_kept():
            for path, stamp in due:
                check, picture = check_slide(path, stamp, self.mpp_um)
                self._keep(check, picture)
                self.listener.on_check(check)
        if due:
            self.write_sheet()
        return len(due)

    def watch(self, every_s: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Look again and again until it is over."""
        while not is_over():
            self.look()
            time.sleep(every_s)

    def write_sheet(self) -> None:
        """Write table and contact sheet anew."""
        try:
            write_contact_sheet(self.out, self.folder, self.checks, self.picture_of)
        except OSError as error:
            raise self._unusable(error) from error

    def picture_of(self, check: SlideCheck) -> Path:
        """Return where the small picture of a slide lies, if it has one."""
        name = hashlib.blake2b(check.path.encode(), digest_size=8).hexdigest()
        return self.out / _PICTURES / f"{name}.jpg"

    def _listed(self) -> list[Path]:
        try:
            listed = slides_in(self.folder)
        except OSError as error:
            # A share can be gone for a while.
            sentence = f"{self.folder} cannot be read ({reason_of(error)})."
            if sentence != self.problem:
                self.listener.on_problem(sentence)
            self.problem = sentence
            return []
        self.problem = ""
        return listed

    def _is_scaled_now(self, held: SlideCheck) -> bool:
        """Return whether a slide was checked without a pixel size that is given by now."""
        return not held.error and held.mpp_um is None and self.mpp_um is not None

    def _keep(self, check: SlideCheck, picture: RgbImage | None) -> None:
        try:
            if picture is not None:
                image = Image.fromarray(picture)
                image.thumbnail((_PICTURE_PX, _PICTURE_PX))
                sink = io.BytesIO()
                image.save(sink, "JPEG", quality=_JPEG_QUALITY)
                atomic_write_bytes(self.picture_of(check), sink.getvalue(), mode=OWNER_FILE)
            append_lines(self.out / _LOG, [msgspec.json.encode(check)])
        except OSError as error:
            raise self._unusable(error) from error
        self._checks[check.path] = check

    def _unusable(self, error: OSError) -> BatchError:
        return BatchError(
            f"What is found cannot be kept in {self.out} ({reason_of(error)}): see that "
            "there is room and that you may write there, or name another folder with -o."
        )
