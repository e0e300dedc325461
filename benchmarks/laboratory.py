"""The home of a laboratory: thousands of sessions and slides, a million objects on one slide.

    python -m benchmarks.laboratory FOLDER [--sessions N] [--slides N] [--objects N]

COVERSLIP_HOME=FOLDER/home opens it; the project is in FOLDER/project. All of it is drawn with a
fixed seed.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.annotations.annotation import Annotation
    from viewer.studies.project import SlideState

SESSIONS, SLIDES, OBJECTS = 5_000, 5_000, 1_000_000
SIDE_PX = 2048
_VIEWS = 30
_AT_ONCE = 1000
_RING = np.linspace(0, 2 * np.pi, 8, endpoint=False)
_STATES: tuple[SlideState, ...] = ("to do", "in work", "done")


class Laboratory(msgspec.Struct, frozen=True):
    """Where things lie, and how many there are."""

    folder: Path
    sessions: int = SESSIONS
    slides: int = SLIDES
    objects: int = OBJECTS

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def drawn_on(self) -> Path:
        """Return the slide that bears the objects."""
        return self.project / "slides" / "case-00000.tif"


def make(laboratory: Laboratory) -> None:
    """Write all of it; what is there already stays."""
    os.environ["COVERSLIP_HOME"] = str(laboratory.home)
    identities = _slides(laboratory)
    _sessions(laboratory, identities)
    if laboratory.objects:
        keep_objects(laboratory.drawn_on, laboratory.objects)


def keep_objects(slide: Path, count: int) -> None:
    """Keep annotations of a slide as if somebody had imported them, unless it has some."""
    from viewer.annotations.document import adding
    from viewer.annotations.storage.slide_file import annotations_path
    from viewer.annotations.storage.store import AnnotationStore, Stamped
    from viewer.slides import open_slide

    source = open_slide(slide)
    identity = source.info.identity
    source.close()
    path = annotations_path(identity)
    if path.exists():
        return
    store = AnnotationStore(path)
    store.write([Stamped.now(adding("Import", list(objects(count))))])
    store.close()


def objects(count: int, side_px: int = SIDE_PX) -> Iterator[Annotation]:
    """Yield annotations of three classes, strewn over a slide."""
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.palette import DEFAULT_PALETTE

    chance = np.random.default_rng(5)
    classes = [each.annotation_class for each in DEFAULT_PALETTE][:3]
    radius_px = max(1.5, 0.3 * side_px / np.sqrt(count))
    ring = np.stack([np.cos(_RING), np.sin(_RING)], 1) * radius_px
    for first in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - first), 2
        middles = chance.uniform(radius_px, side_px - radius_px, size)
        for number, shape in enumerate(
            np.asarray(shapely.polygons(middles[:, None] + ring[None])), first
        ):
            yield Annotation(shape, shown_as=classes[number % 3], name=f"object {number}")


def write_slide(path: Path, seed: int, side_px: int = SIDE_PX) -> Path:
    """Write a small slide that no other seed gives."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(seed).integers(120, 255, (16, 16, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((side_px, side_px), Image.Resampling.BILINEAR)
        picture.save(path, compression="jpeg", quality=80)
    return path


def _slides(laboratory: Laboratory) -> list[str]:
    """Write slides and their project; return the identities of the slides."""
    from viewer.slides.known_slides import remember
    from viewer.slides.slide_key import slide_key
    from viewer.studies.project import Project, ProjectSlide, stored_path
    from viewer.studies.project_file import create_project, is_project, read_project

    folder = laboratory.project
    if is_project(folder):
        return [each.identity for each in read_project(folder).slides]
    slides: list[ProjectSlide] = []
    for number in range(laboratory.slides):
        path = folder / "slides" / f"case-{number:05d}.tif"
        write_slide(path, number, SIDE_PX if number == 0 else 256)
        identity = slide_key(path)
        remember(identity, path)
        slides.append(
            ProjectSlide(
                identity=identity,
                path=stored_path(path, folder),
                name=path.name,
                state=_STATES[number % 3],
                assignee=f"reader {number % 5}",
            )
        )
    create_project(folder, Project(title="Laboratory", slides=tuple(slides), keeps_sets=True))
    return [each.identity for each in slides]


def _sessions(laboratory: Laboratory, identities: list[str]) -> None:
    from benchmarks.recording import WanderingReader, write_session
    from viewer.geometry import Size
    from viewer.recording.library import sessions_folder

    folder = sessions_folder()
    size = Size(SIDE_PX, SIDE_PX)
    for number in range(laboratory.sessions):
        name = f"2026{1 + number % 12:02d}{1 + number % 28:02d}T080000Z-{number:08d}"
        if (folder / name).exists():
            continue
        reader = WanderingReader(size)
        views = ((n * 2.0, reader.view(at_rest=n % 2 == 0)) for n in range(_VIEWS))
        identity = identities[number % len(identities)] if identities else "benchmark"
        write_session(folder / name, views, size, identity)


def main() -> None:
    """Make the home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--slides", type=int, default=SLIDES)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    given = parser.parse_args()
    make(Laboratory(given.folder, given.sessions, given.slides, given.objects))


if __name__ == "__main__":
    main()
