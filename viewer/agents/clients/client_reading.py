"""One slide read by an agent of another program: its calls as actions, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.agents.actions import Annotate, Bookmark, CallTool, GoTo, Note
from viewer.agents.clients import client_tools as calls
from viewer.agents.clients.client_images import ClientImages
from viewer.agents.errors import ToolError
from viewer.agents.findings import corners
from viewer.agents.microscope import LEAST_BOX_PX, LEAST_FIELD_PX
from viewer.agents.policies.answers import FinalAnswer, concluded
from viewer.agents.report_draft import DRAFT, draft_from_walk, markdown
from viewer.agents.report_template import DEFAULT_TEMPLATE
from viewer.recording.events import ToolCalled, ToolRefused
from viewer.slides.slide_key import file_name_of
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.agents.actions import Action, Observation
    from viewer.agents.clients.client_desk import OpenedReading
    from viewer.agents.loop import Outcome
    from viewer.agents.microscope import Field
    from viewer.geometry import Box
    from viewer.recording.events import AnyEvent

Result = tuple[dict[str, object], bytes]
"""Plain data, and an image as JPEG; b"" where there is none."""

_MEASURING = {
    "count_nuclei": "count_nuclei",
    "quality": "tissue_quality",
    "classes": "tissue_classes",
    "similar": "similar_regions",
    "measure": "measure",
    "read_annotations": "read_annotations",
}
"""A client's tools by the names of `SlideTools`."""
_FITS = 0.98
"""Of the magnification at which a box fills the screen: below it all of the box stays on screen."""


class ClientReading:
    """Carries out checked calls on one slide; in the thread of the calls."""

    def __init__(self, opened: OpenedReading, client: str) -> None:
        self._opened = opened
        self._policy = opened.policy
        scene, first = self._policy.scene, self._policy.first
        assert scene is not None
        assert first is not None
        self._scene = scene
        self._microscope = scene.microscope
        self._task = scene.task
        self._field: Field = first.field
        self._steps_left = first.steps_left
        self._region = 0
        self._images = ClientImages(client, scene.microscope, opened.megapixels)

    @property
    def slide(self) -> Path:
        """Return where the slide lies; no client is told."""
        return self._microscope.source.path

    def begun(self) -> dict[str, object]:
        """Return what a client is told of a slide that it opened: figures, and no name."""
        info, optics = self._microscope.source.info, self._microscope.optics
        base = self._microscope.source.levels[0]
        return {
            "slide": file_name_of(info.identity),
            "width_px": base.width_px,
            "height_px": base.height_px,
            "um_per_px": optics.mean_mpp_um,
            "magnification_of_level_0": optics.native_magnification,
            "levels": len(self._microscope.source.levels),
            "question": self._task.question,
            "options": list(self._task.options),
            "steps_left": self._steps_left,
            "pixels_left": self._images.left_px,
            "notice": f"{DRAFT}.",
        }

    def call(self, tool: str, arguments: msgspec.Struct, text: str) -> Result:
        """Carry out a call; `text` is its arguments as JSON, for the session.

        Raises
        ------
        ToolError
            It is refused; one sentence.
        """
        if tool != "report":
            self._policy.wait_turn()
        self._note(ToolCalled(tool, text))
        data, jpeg = self._carried_out(tool, arguments)
        if news := self._policy.news():
            data = {**data, "user": news}
        return data, jpeg

    def note_refusal(self, tool: str, sentence: str) -> None:
        """Keep in the session that a call was refused."""
        self._note(ToolRefused(tool, sentence))

    def _note(self, event: AnyEvent) -> None:
        """Record an event; nothing where the session has ended."""
        run = self._policy.run
        if run is not None and not run.state.is_over:
            self._microscope.record(event)

    def _carried_out(self, tool: str, arguments: msgspec.Struct) -> Result:
        match arguments:
            case calls.LookArguments():
                return self._look(arguments) if tool == "look" else self._go_to(arguments)
            case calls.BoxArguments() | calls.SimilarArguments():
                return self._measured(tool, arguments)
            case calls.DraftArguments():
                return self._draft([arguments])
            case calls.DraftsArguments():
                return self._draft(arguments.annotations)
            case calls.BookmarkArguments():
                box = self._marked(arguments.box)
                self._perform(Bookmark(arguments.label, box))
                return {"bookmarked": arguments.label}, b""
            case calls.NoteArguments():
                self._perform(Note(arguments.text))
                return {"noted_characters": len(arguments.text)}, b""
            case calls.AnswerArguments():
                return self._answer(arguments), b""
            case _ if tool == "overview":
                given = self._images.overview()
                return given.about, given.jpeg
            case _ if tool == "report":
                return self._report(), b""
            case _:
                return self._measured(tool, None)

    def _look(self, wanted: calls.LookArguments) -> Result:
        box = self._box(wanted.box)
        self._images.check()
        self._images.downsample(wanted.magnification)
        self._perform(GoTo(box, self._on_screen(box, wanted.magnification), wanted.why))
        given = self._images.field(box, wanted.magnification)
        return {**given.about, "region": self._region, "steps_left": self._steps_left}, given.jpeg

    def _go_to(self, wanted: calls.LookArguments) -> Result:
        box = self._box(wanted.box)
        self._images.downsample(wanted.magnification)
        self._perform(GoTo(box, wanted.magnification, wanted.why))
        shown: dict[str, object] = {
            "region": self._region,
            "box": corners(self._field.box),
            "magnification": self._field.magnification,
            "steps_left": self._steps_left,
        }
        return shown, b""

    def _measured(
        self, tool: str, wanted: calls.BoxArguments | calls.SimilarArguments | None
    ) -> Result:
        name = _MEASURING[tool]
        arguments: dict[str, object] = {}
        if wanted is not None:
            least_px = LEAST_BOX_PX if tool == "measure" else LEAST_FIELD_PX
            x0, y0, x1, y1 = corners(self._box(wanted.box, least_px))
            arguments = {"x0": x0, "y0": y0, "x1": x1, "y1": y1}
        if isinstance(wanted, calls.SimilarArguments):
            arguments["count"] = wanted.count
        if tool == "classes" and name not in self._scene.tools.names:
            name = "class_map"
            if name not in self._scene.tools.names:
                raise ToolError(
                    "No classes are known for this slide: a model of tissue classes is chosen with "
                    "--tissue, or fields are marked by example in the window."
                )
        seen = self._perform(CallTool(name, arguments))
        assert is_mapping(seen.result)
        return {**seen.result, "steps_left": self._steps_left}, b""

    def _draft(self, wanted: list[calls.DraftArguments]) -> Result:
        boxes = [self._marked(each.box) for each in wanted]
        author = self._policy.name
        for each, box in zip(wanted, boxes, strict=True):
            self._perform(Annotate(each.label, each.text, box, author=author))
        return {"drafted": len(wanted), "region": self._region}, b""

    def _answer(self, wanted: calls.AnswerArguments) -> dict[str, object]:
        answer = concluded(FinalAnswer(wanted.text, wanted.choice, wanted.evidence), self._task)
        self._perform(answer)
        given: dict[str, object] = msgspec.to_builtins(self._outcome().answer)
        if answer.choice is not None:  # clients count from 1, as the options were counted for them
            given |= {"choice": answer.choice + 1, "option": self._task.options[answer.choice]}
        return {"answer": given, "notice": f"{DRAFT}."}

    def _report(self) -> dict[str, object]:
        outcome = self._outcome()
        return {
            "report": markdown(draft_from_walk(outcome, DEFAULT_TEMPLATE)),
            "state": outcome.state.value,
            "notice": f"{DRAFT}.",
        }

    def _outcome(self) -> Outcome:
        run = self._opened.policy.run
        assert run is not None
        return run.outcome

    def _box(self, sides: list[float], least_px: float = LEAST_FIELD_PX) -> Box:
        return self._images.inside(calls.checked_box(sides), least_px)

    def _marked(self, sides: list[float] | None) -> Box | None:
        """Return a box that may be as small as a nucleus."""
        return None if sides is None else self._box(sides, LEAST_BOX_PX)

    def _on_screen(self, box: Box, magnification: float | None) -> float | None:
        """Return the magnification at which a box is gone to, so that all of it is on screen."""
        shown = self._field.magnification
        if magnification is None or shown is None:
            return None
        field = self._field.box
        fitting = shown / max(box.width / field.width, box.height / field.height)
        return magnification if magnification < fitting * _FITS else None

    def _perform(self, action: Action) -> Observation:
        seen = self._policy.perform(action)
        self._field, self._steps_left = seen.field, seen.steps_left
        self._region = seen.visits[-1].region if seen.visits else 0
        return seen
