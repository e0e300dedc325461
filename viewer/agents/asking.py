"""Questions of a user about what they look at: a conversation beside the slide.

    talk = FieldTalk(client, source, optics)
    answer = talk.ask("What are these cells?", box, on_text=show, cancel=cancel)
    answer.references   # places that the answer names, for links

Waits for answers, so it belongs in a worker thread; used by one thread at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.agents.chat.conversation import Picture, Turn
from viewer.agents.findings import Visit, corners
from viewer.agents.grounding import Reference, references_in
from viewer.agents.guides import MARGIN_X_PX, with_guides
from viewer.agents.microscope import on_slide, picture_of, slide_box
from viewer.agents.policies.dialogue import described
from viewer.agents.policies.prompts import system_text
from viewer.geometry import Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.agents.canceling import Cancel
    from viewer.agents.chat.client import Client
    from viewer.geometry import Box, Optics
    from viewer.slides.source import SlideSource

TALK_SYSTEM = (
    "You answer questions about a slide of tissue for research. You see the whole slide once, with "
    "axes in level-0 pixels, and each field that is asked about. Answer briefly and plainly; say "
    "so where something cannot be determined. Name places as boxes [x0, y0, x1, y1] in level-0 "
    "pixels, or as region numbers."
)


class FieldAnswer(msgspec.Struct, frozen=True):
    """An answer, plain text, and the places on the slide that it names."""

    text: str
    references: list[Reference]


class FieldChat:
    """One conversation about one slide; each field that is asked about becomes a region."""

    def __init__(self, client: Client, source: SlideSource, optics: Optics) -> None:
        self._client = client
        self._source = source
        self._optics = optics
        self._turns: list[Turn] = [Turn("system", system_text(TALK_SYSTEM))]
        self.visits: list[Visit] = []

    def ask(
        self,
        question: str,
        field: Box,
        *,
        magnification: float | None = None,
        on_text: Callable[[str], object] | None = None,
        cancel: Cancel | None = None,
    ) -> FieldAnswer:
        """Return the model's answer about a field.

        Parameters
        ----------
        field
            Level-0 pixels.

        Raises
        ------
        AgentError, AgentCancelledError
            As `Client.ask`; the conversation is then as it was before.
        """
        turn = self._question(question, field, magnification)
        asked = [*self._turns, turn]
        reply = self._client.ask(asked, on_text=on_text, cancel=cancel)
        self._turns = [*asked, Turn("assistant", reply.text)]
        return FieldAnswer(
            reply.text, references_in(reply.text, self.visits, slide_box(self._source))
        )

    def _question(self, question: str, field: Box, magnification: float | None) -> Turn:
        box = on_slide(field, self._source)
        side_px = self._client.endpoint.picture_side_px
        pictures: list[Picture] = []
        slide = slide_box(self._source)
        if len(self._turns) == 1:
            overview = picture_of(self._source, slide, side_px - MARGIN_X_PX)
            shown = with_guides(overview, Size(slide.width, slide.height))
            pictures.append(Picture(shown, "The whole slide:", is_kept=True))
        region = self._region(box, magnification)
        caption = f"Region {region}, {described(box, magnification)}:"
        pictures.append(Picture(picture_of(self._source, box, side_px), caption))
        return Turn("user", question, tuple(pictures))

    def _region(self, box: Box, magnification: float | None) -> int:
        """Return the number of a field; the same as before where it was asked about before."""
        for visit in self.visits:
            if visit.box == corners(box):
                return visit.region
        self.visits.append(Visit(len(self.visits) + 1, corners(box), magnification))
        return len(self.visits)
