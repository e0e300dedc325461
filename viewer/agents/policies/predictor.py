"""Proposals first, then a model reasons region by region.

After Pathologist-o3 of Pathology-CoT (arXiv 2510.04587).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.agents.actions import Action, Annotate, Answer, GoTo, Note
from viewer.agents.chat.conversation import Turn
from viewer.agents.errors import BadAnswerError
from viewer.agents.microscope import on_slide
from viewer.agents.policies.answers import RegionAnswer, final_answer, json_answer
from viewer.agents.policies.dialogue import Dialogue
from viewer.agents.policies.prompts import (
    CHOICE,
    CONCLUDE,
    IMPRESSION,
    NO_CHOICE,
    PREDICTOR_SYSTEM,
    REGION,
)
from viewer.agents.proposals import TissueProposer
from viewer.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.agents.actions import Observation, Scene, Walk
    from viewer.agents.chat.client import Client
    from viewer.agents.chat.conversation import Picture, Reply
    from viewer.agents.proposals import Proposer

REGIONS = 5
_DETAIL_OF = 4.0
"""How many times closer the second picture of a region is, as 10x to 40x in the paper."""


class PredictorPolicy:
    """Goes to proposed boxes; a model says what is seen in each, then concludes.

    Parameters
    ----------
    proposer
        A predictor trained on readers; tissue and nuclei alone where there is none.
    """

    name = "predictor"

    def __init__(
        self,
        client: Client,
        proposer: Proposer | None = None,
        regions: int = REGIONS,
        system: str = PREDICTOR_SYSTEM,
    ) -> None:
        self._client = client
        self._proposer = proposer or TissueProposer()
        self._regions = regions
        self._system = system

    def walk(self, scene: Scene, first: Observation) -> Walk:
        at = scene.microscope
        proposed = self._proposer.propose(at.source, at.optics, self._regions)
        dialogue = Dialogue(self._client, scene, self._system, len(proposed) + 4)
        dialogue.hear(first)
        dialogue.add(dialogue.opening([each.box for each in proposed]))
        dialogue.add(Turn("user", dialogue.news(IMPRESSION)))
        seen = yield Note(dialogue.ask(_words))
        for count, each in enumerate(proposed, 1):
            dialogue.hear(seen)
            if not seen.steps_left:
                break
            why = f"Proposal {count} of {len(proposed)} by {self._proposer.name}."
            seen = yield GoTo(each.box, each.magnification, why)
            if not seen.trouble:
                seen = yield from self._read(dialogue, scene, each.box, seen)
        dialogue.hear(seen)
        yield self._concluded(dialogue, scene)

    def _read(
        self, dialogue: Dialogue, scene: Scene, box: Box, seen: Observation
    ) -> Generator[Action, Observation, Observation]:
        """Have the model say what is seen in the present region; return what is seen last."""
        region = seen.visits[-1].region
        pictures = _pictures(dialogue, scene, seen)
        dialogue.hear(seen)
        text = dialogue.news(REGION.format(region=region))
        dialogue.add(Turn("user", text, pictures))
        answer = dialogue.ask(json_answer(RegionAnswer))
        author = self._client.endpoint.model
        return (yield Annotate(answer.label, answer.text, box, {}, author))

    def _concluded(self, dialogue: Dialogue, scene: Scene) -> Answer:
        asked = CONCLUDE.format(choice=CHOICE if scene.task.options else NO_CHOICE)
        dialogue.add(Turn("user", dialogue.news(asked)))
        return dialogue.ask(final_answer(scene.task))


def _words(reply: Reply) -> str:
    if not reply.text.strip():
        raise BadAnswerError("It holds no words.")
    return reply.text.strip()


def _pictures(dialogue: Dialogue, scene: Scene, seen: Observation) -> tuple[Picture, ...]:
    """Return the field, and its middle closer."""
    box = on_slide(seen.field.box, scene.microscope.source)
    middle = Box.around(box.center, box.width / _DETAIL_OF, box.height / _DETAIL_OF)
    return dialogue.shown_field(seen), dialogue.field(middle, "Its middle, closer:")
