"""What the policies with a vision-language model share: its turns, pictures and bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from viewer.agents.chat.conversation import Picture, Tool, Turn, data_field
from viewer.agents.errors import AgentError
from viewer.agents.findings import box_of
from viewer.agents.guides import MARGIN_X_PX, with_guides
from viewer.agents.microscope import on_slide, picture_of, slide_box
from viewer.agents.policies.prompts import question_text, system_text
from viewer.geometry import Box, Size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.agents.actions import Observation, Scene
    from viewer.agents.chat.client import Client
    from viewer.agents.chat.conversation import Reply

T = TypeVar("T")


class Dialogue:
    """One conversation about one slide.

    Parameters
    ----------
    system
        The role given to the model; the rule about data is added.
    most_requests
        After which the agent is ended, whatever it does.
    crop_px
        Longest side of a picture of a field; None takes the endpoint's, which always bounds it.
    """

    def __init__(
        self,
        client: Client,
        scene: Scene,
        system: str,
        most_requests: int,
        crop_px: int | None = None,
    ) -> None:
        self._client = client
        self._side_px = client.endpoint.picture_side_px
        self._crop_px = min(crop_px or self._side_px, self._side_px)
        self._scene = scene
        self._left = most_requests
        self._news: list[str] = []
        self.turns: list[Turn] = [Turn("system", system_text(system))]

    def add(self, turn: Turn) -> None:
        self.turns.append(turn)

    def hear(self, seen: Observation) -> None:
        """Keep what the user said or did, until `news` tells the model."""
        self._news += [f"The user says: {remark}" for remark in seen.remarks]
        if seen.was_moved:
            visit = seen.visits[-1]
            where = described(box_of(visit.box), visit.magnification)
            self._news.append(f"The user moved the slide: region {visit.region} is {where}.")

    def news(self, *more: str) -> str:
        """Return what the user said or did since, and more lines that are not empty."""
        lines, self._news = [*self._news, *filter(None, more)], []
        return "\n".join(lines)

    def ask(self, check: Callable[[Reply], T], tools: Sequence[Tool] = ()) -> T:
        """Return what `check` makes of the model's answer to all that was said.

        Raises as the client.
        """
        if self._left <= 0:
            raise AgentError("The agent asked the model too often without coming to an answer.")
        self._left -= 1
        result, added = self._client.ask_checked(
            self.turns, check, tools, on_text=self._scene.say, cancel=self._scene.cancel
        )
        self.turns += added
        return result

    def opening(self, boxes: Sequence[Box] = ()) -> Turn:
        """Return the question, what is known of the slide in figures, and the slide with guides."""
        scene = self._scene
        optics, slide = scene.microscope.optics, slide_box(scene.microscope.source)
        facts = {
            "width_px": slide.width,
            "height_px": slide.height,
            "um_per_px": optics.mean_mpp_um,
            "magnification_of_level_0": optics.native_magnification,
        }
        text = f"{question_text(scene.task)}\n"
        text += data_field("slide", facts)
        picture = picture_of(scene.microscope.source, slide, self._side_px - MARGIN_X_PX)
        shown = with_guides(picture, Size(slide.width, slide.height), boxes)
        return Turn("user", text, (Picture(shown, "The whole slide:", is_kept=True),))

    def field(self, box: Box, caption: str) -> Picture:
        """Return a part of the slide as the model takes it."""
        return Picture(picture_of(self._scene.microscope.source, box, self._crop_px), caption)

    def shown_field(self, seen: Observation) -> Picture:
        """Return what is on screen, as far as it lies on the slide."""
        box = on_slide(seen.field.box, self._scene.microscope.source)
        region = seen.visits[-1].region if seen.visits else 0
        return self.field(box, f"Region {region}, {described(box, seen.field.magnification)}:")


def described(box: Box, magnification: float | None) -> str:
    """Return a field in words."""
    place = f"box [{box.x0:.0f}, {box.y0:.0f}, {box.x1:.0f}, {box.y1:.0f}]"
    return place if magnification is None else f"{place} at {magnification:.3g}x"
