"""Annotations from and to files in the window; the disk is waited for in a thread."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import shapely
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QInputDialog

from viewer.annotations.annotation import AnnotationClass
from viewer.annotations.counting.tally import with_counts
from viewer.annotations.document import Document, ReadOnlyError
from viewer.annotations.formats.problems import AnnotationFileError, Problem, Problems
from viewer.annotations.kept_geometry import geometry_parts
from viewer.annotations.measured import up_to_date
from viewer.annotations.sets.together import together
from viewer.audit_log import trail
from viewer.errors import sentence_of
from viewer.limits import CLASSES
from viewer.overlays.shown_overlays import write_shown_beside
from viewer.progress import progress_to, while_wanted
from viewer.slides.remote.address import folder_beside
from viewer.ui.annotations.bulk_edits import MANY
from viewer.ui.annotations.services import GrowingSets
from viewer.ui.annotations.wording import many
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.commands.command import with_slide
from viewer.ui.file_dialogs import ALL_FILES, ask_file, ask_new_file
from viewer.ui.long_task import StoppedError
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost, SettingsHost
from viewer.ui.slides.slide_place import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.formats.exchange import Format, ReadFormat
    from viewer.annotations.formats.origins import Origin
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.annotations.operations import Known
    from viewer.geometry import Box
    from viewer.ui.annotations.class_commands import ClassCommands
    from viewer.ui.annotations.editing_commands import EditingCommands
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.slide_annotations import SlideAnnotations
    from viewer.ui.annotations.training_files import TrainingFiles
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.reading_bar import Reading, ReadingBar
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.status_bar import WindowStatusBar

_log = logging.getLogger(__name__)
_DETECTIONS = ("detection", "cell", "tile")
_NOT_THERE = "The annotations of this slide are not read yet: try again when they are."
_MASK_ENDS = (".ome.tif", ".png")


def dropped_suffixes() -> frozenset[str]:
    """Answer the endings of files that may hold annotations; dropped pictures are slides."""
    from viewer.annotations.formats.exchange import FORMATS

    return frozenset(end for each in FORMATS.values() for end in each.suffixes)


class _FileContent(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    detections
        How many are an overlay, not drawn.
    origin
        From where the file counts.
    beside
        How many of the drawn lie wholly beside the slide.
    """

    drawn: Sequence[Annotation]
    detections: int
    origin: Origin | None
    beside: int = 0


class KeptFiles(GrowingSets, Protocol):
    """Sets to which those of files are added, and what they are given by."""

    classes: ClassCommands
    editing: EditingCommands
    reading: ReadingBar


class AnnotationFilesHost(MessageHost, DialogHost, PaneHost, CommandHost, SettingsHost, Protocol):
    """What files of annotations ask of the window."""

    overlays: OverlaysController
    status: WindowStatusBar


class AnnotationFiles(QObject):
    """Owned by the part; `shut_down` carries out what was asked for."""

    missed = Signal(object, object)
    """A file that was read when its slide had left, and the path of that slide."""

    def __init__(
        self,
        window: AnnotationFilesHost,
        kept: KeptFiles,
        training: TrainingFiles,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._kept = kept
        self._training = training
        self._background = BackgroundRunner("annotation files", 1, self)
        self._reading: list[Reading] = []
        """Files that are being read."""
        window.commands.on("annotate.import", self._ask_file)
        window.commands.on("annotate.export", self._ask_where)

    def shut_down(self) -> None:
        for each in self._reading:
            each.stop()
        self._background.close(finish=True)

    def take(
        self,
        path: Path,
        pane: SlidePane,
        picture: str | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Add the annotations of a file to the slide of a pane, as a set of their own.

        Detections in it become an overlay. What is not as it should be is listed. Of a file of
        several pictures it is asked which is meant, unless that is given, and of a file that does
        not say it, from where it counts on a slide with bounds.
        """
        active = self._kept.of(pane)
        if active is None:
            self._say_why_none(pane)
            return
        problems = Problems()
        slide, place = pane.path, place_of(pane)
        box, classes = pane.canvas.slide_box, self._own_classes(active)

        title = f"Import {path.name}"
        reading = self._kept.reading.begin(path.name)
        self._reading.append(reading)

        def work() -> _FileContent:
            with progress_to(reading.tell):
                read = _read(path, problems, picture, place, origin)
                drawn = [_with_own_color(each, classes) for each in while_wanted(read.drawn)]
                return read._replace(drawn=drawn, beside=_beside(drawn, box))

        def finish() -> None:
            self._reading.remove(reading)
            reading.finish()

        def done(read: _FileContent) -> None:
            finish()
            self._add(active, path, read, problems, slide)

        def failed(error: Exception) -> None:
            finish()
            if isinstance(error, StoppedError):
                self._window.say(f"{title}: canceled, nothing was imported.")
            else:
                self._on_not_read(path, pane, picture, error)

        self._window.say(f"Reading {path.name}...")
        self._background.run(work, done, failed)

    def write(self, path: Path, which: Format, active: PaneAnnotations) -> None:
        """Write the shown sets of a slide; tell what the format cannot hold."""
        from viewer.annotations.formats.exchange import write_as
        from viewer.ui.annotations.file_reports import tell_not_written

        mpp_um = active.pane.canvas.optics.mpp_um
        sets = self._kept.sets_of(active.pane)
        held = sets.states_in_sight if sets is not None else []
        place = place_of(active.pane)
        shown = self._window.overlays.shown_in(active.pane)

        def work() -> tuple[int, list[Problem]]:
            drawn = with_counts(together(held) if held else [])
            annotations = [up_to_date(each, mpp_um) for each in drawn]
            lost = write_as(path, which, annotations, place)
            write_shown_beside(path, shown)
            return len(annotations), lost

        self._window.say(f"Writing {path.name}...")
        self._background.run(
            work,
            lambda found: self._on_written(path, found[0], which, found[1]),
            lambda error: tell_not_written(self._window, path, error),
            keeps=path.name,
        )

    # -----------------------------------------------------------------------------------------

    def _say_why_none(self, pane: SlidePane) -> None:
        """Say why there are no annotations of a pane's slide."""
        is_there = self._kept.sets_of(pane) is not None
        self._window.say(_NOT_THERE if is_there else with_slide.reason)

    def _ask_file(self) -> None:
        from viewer.annotations.formats.exchange import FORMATS, MASK

        pane = self._window.panes.active
        formats = (*FORMATS.values(), MASK)
        names = ", ".join(each.name for each in formats)
        ends = dict.fromkeys(f"*{end}" for each in formats for end in each.suffixes)
        ask_file(
            self._window.window(),
            "Import annotations",
            lambda path: self.take(path, pane),
            start=_folder(pane),
            filters=[f"{names} ({' '.join(ends)})", ALL_FILES],
            hides_endings=True,
        )

    def _ask_where(self) -> None:
        from viewer.annotations.formats.exchange import FORMATS

        pane = self._window.panes.active
        active = self._kept.of(pane)
        if active is None or pane.path is None:
            self._say_why_none(pane)
            return
        sets = self._kept.sets_of(pane)
        if sets is None or not sets.states_in_sight:
            self._window.say("There are no annotations to write yet.")
            return
        formats = list(FORMATS.values())
        ends = [*(each.suffixes[0] for each in formats), *_MASK_ENDS]
        filters = [f"{each.name} (*{end})" for each, end in zip(formats, ends, strict=False)]
        filters += [f"Label mask (*{end})" for end in _MASK_ENDS]

        def take(path: Path, chosen: str) -> None:
            self._window.change_settings(annotation_format=chosen)
            at = filters.index(chosen)
            if at < len(formats):
                self.write(path, formats[at], active)
            else:
                self._training.ask_mask(path, active)

        last = self._window.settings.annotation_format
        ask_new_file(
            self._window.window(),
            "Export annotations",
            take,
            formats=dict(zip(filters, ends, strict=True)),
            start=_folder(pane),
            stem=pane.path.stem,
            first=last if last in filters else "",
        )

    def _add(
        self,
        active: PaneAnnotations,
        path: Path,
        read: _FileContent,
        problems: list[Problem],
        slide: Path | None,
    ) -> None:
        from viewer.annotations.operations import recognized
        from viewer.ui.annotations.file_reports import ask_known

        if self._kept.of(active.pane) is not active:
            if slide is not None:
                self.missed.emit(path, slide)
            return
        sets = self._kept.sets_of(active.pane)
        if not read.drawn or sets is None:
            self._put(active, None, path, read, problems, "both")
            return

        def put(annotations: SlideAnnotations) -> None:
            def ask(drawn: Sequence[Annotation]) -> None:
                known = sum(each.id in held for each in drawn)

                def take(answer: Known) -> None:
                    put_in(drawn, answer)

                if not known:
                    take("both")
                elif self._kept.of(active.pane) is not None:
                    ask_known(self._window, path.name, known, len(drawn), take)

            def put_in(drawn: Sequence[Annotation], answer: Known) -> None:
                if self._kept.of(active.pane) is not None:
                    found = read._replace(drawn=drawn)
                    self._put(active, annotations, path, found, problems, answer)

            if not len(annotations.document):
                put_in(read.drawn, "both")
                return
            held = annotations.document.snapshot().held
            self._background.run(lambda: recognized(read.drawn, held), ask)

        self._kept.sets.add(sets, path.name, "imported", str(path), put)

    def _own_classes(self, active: PaneAnnotations) -> dict[str, AnnotationClass]:
        """Return the classes that are known here, which keep their color whatever a file says."""
        classes = self._kept.classes.palette.classes
        own = {each.name: each.annotation_class for each in classes}
        drawn = active.document.class_colors.items()
        return own | {name: AnnotationClass(name, color) for name, color in drawn if name}

    def _put(
        self,
        active: PaneAnnotations,
        annotations: SlideAnnotations | None,
        path: Path,
        read: _FileContent,
        problems: list[Problem],
        answer: Known,
    ) -> None:
        from viewer.annotations.operations import taken_in

        drawn, label = read.drawn, f"Import {path.name}"
        document = annotations.document if annotations is not None else Document()

        def work(state: DocumentState) -> Edit:
            return taken_in(label, drawn, state.held.__contains__, answer, state.held.get)

        sets = self._kept.sets_of(active.pane)

        def turn_detections(back: bool) -> None:
            self._window.overlays.switch_results(path, on=not back)

        also = turn_detections if read.detections else None

        def done(step: Edit) -> None:
            if sets is not None and annotations is not None:
                self._kept.sets.note_step(sets, annotations, step, also)
            self._tell_put(active, path, read, problems, step)

        if len(drawn) > MANY:

            def forget() -> None:
                if sets is not None and annotations is not None:
                    sets.forget_empty(annotations)

            self._kept.editing.bulk.do(document, label, len(drawn), work, done, stopped=forget)
            return
        step = work(document.state)
        try:
            document.do(step)
        except ReadOnlyError as error:
            self._window.say(str(error))
            return
        done(step)

    def _tell_put(
        self,
        active: PaneAnnotations,
        path: Path,
        read: _FileContent,
        problems: list[Problem],
        step: Edit,
    ) -> None:
        """Say what became of a file that was read."""
        from viewer.annotations.formats.origins import is_origin_note
        from viewer.ui.annotations.file_reports import tell_problems

        drawn, found_count = read.drawn, read.detections
        slide = active.pane.path
        if slide is None:
            return
        sentences: list[str] = []
        if step.changes:
            added = len(step.added_ids)
            replaced = len(step.changes) - added
            done = [f"{many(added)} of {path.name} added to {slide.name}"] if added else []
            done += [f"{many(replaced)} of {slide.name} replaced by {path.name}"] * bool(replaced)
            sentences.append(
                f"{', '.join(done)}, in a set of its own: click it under Sets to change it, "
                "Ctrl+Z takes it back."
            )
            if read.beside:
                sentences.append(
                    f"{read.beside:,} lie beside this slide; the file may be of another."
                )
        elif drawn:
            sentences.append(f"{slide.name} has all of {path.name} already.")
        if found_count:
            sentences.append(f"{found_count:,} detections are shown as an overlay.")
            self._window.overlays.take_results(path, active.pane, read.origin)
        notes = [each for each in problems if is_origin_note(each)]
        sentences += [f"{path.name}: {each.reason}." for each in notes]
        problems = [each for each in problems if each not in notes]
        said = " ".join(sentences) or f"{path.name} holds no annotations."
        self._window.status.say_of_drawing(said)
        if problems:
            tell_problems(self._window, f"Import {path.name}", " ".join(sentences), problems)

    def _on_not_read(
        self, path: Path, pane: SlidePane, picture: str | None, error: Exception
    ) -> None:
        from viewer.annotations.formats.coco_pictures import SeveralPicturesError
        from viewer.ui.slides.origin_question import UnstatedOriginError, ask_origin

        if isinstance(error, UnstatedOriginError):
            ask_origin(
                self._window.window(), path.name, lambda said: self.take(path, pane, picture, said)
            )
            return
        if isinstance(error, SeveralPicturesError):
            self._ask_picture(path, pane, error.pictures)
            return
        self._window.show_error(sentence_of(error, _log, "a file of annotations could not be read"))

    def _ask_picture(self, path: Path, pane: SlidePane, pictures: list[str]) -> None:
        """The one that is named like the slide is proposed."""
        from viewer.ui.opened_dialog import open_dialog

        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle(f"Import {path.name}")
        dialog.setLabelText(f"It holds {len(pictures):,} pictures. Which of them is this slide?")
        dialog.setComboBoxItems(pictures)
        stem = pane.path.stem.casefold() if pane.path is not None else ""
        alike = [name for name in pictures if stem and stem in name.casefold()]
        dialog.setTextValue((alike or pictures)[0])
        dialog.textValueSelected.connect(lambda picture: self.take(path, pane, picture))
        open_dialog(dialog)

    def _on_written(self, path: Path, count: int, which: ReadFormat, lost: list[Problem]) -> None:
        from viewer.annotations.formats.origins import is_origin_note
        from viewer.ui.annotations.file_reports import tell_not_held

        notes = [each for each in lost if is_origin_note(each)]
        lost = [each for each in lost if each not in notes]
        summary = f"{many(count)} written to {path.name} ({which.name})."
        if lost:
            summary = f"{path.name} ({which.name}) was written, but not all of {many(count)}."
            tell_not_held(self._window, f"Export {path.name}", summary, lost)
        self._window.say(" ".join([summary, *(f"{each.reason}." for each in notes)]))


def _read(
    path: Path,
    problems: list[Problem],
    picture: str | None,
    place: SlidePlace,
    origin: Origin | None,
) -> _FileContent:
    """Return what was drawn, and how many detections the file holds beside."""
    from viewer.annotations.formats.exchange import read_all
    from viewer.ui.slides.origin_question import check_origin

    check_origin(path, place, origin)
    read = read_all(path, problems, picture, slide=place, origin=origin)
    drawn = [each for each in read if each.kind not in _DETECTIONS]
    if (count := len({each.class_name for each in drawn})) > CLASSES.most:
        raise AnnotationFileError(CLASSES.sentence(path.name, count))
    trail.note("imported", path, f"annotations: {len(read):,}")
    return _FileContent(drawn, len(read) - len(drawn), origin)


def _with_own_color(annotation: Annotation, classes: Mapping[str, AnnotationClass]) -> Annotation:
    """Return it with its class as it is known here."""
    known = classes.get(annotation.class_name)
    if known is None or known is annotation.shown_as:
        return annotation
    return replace(annotation, shown_as=known)


def _beside(drawn: Sequence[Annotation], slide: Box) -> int:
    """Return how many lie wholly beside the slide."""
    box = slide.polygon
    return sum(int((~shapely.intersects(box, part)).sum()) for part in geometry_parts(drawn))


def _folder(pane: SlidePane) -> Path:
    return folder_beside(pane.path) if pane.path is not None else Path.home()
