"""A model that judges free answers; its prompt is kept with the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.agents.chat.conversation import Turn, data_field
from viewer.agents.errors import BadAnswerError
from viewer.agents.policies.answers import json_object
from viewer.agents.policies.prompts import system_text

if TYPE_CHECKING:
    from viewer.agents.benchmark.questions import Question
    from viewer.agents.chat.client import Client
    from viewer.agents.chat.conversation import Reply

JUDGE_FOLDER = "judge"
"""Beside the results: every exchange with the judge."""
JUDGE_SYSTEM = (
    "You mark answers to questions of pathology. You get a question, the reference answer and an "
    "answer that was given. It is correct only if it states the same as the reference; an answer "
    "that hedges, states the opposite, or only mentions the reference is incorrect. Answer with "
    'one JSON object and nothing else: {"verdict": "correct"} or {"verdict": "incorrect"}.'
)
_VERDICTS = {"correct": True, "incorrect": False, "true": True, "false": False}


class Judge:
    """Asks one model about one answer at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def model(self) -> str:
        return self._client.endpoint.model

    def is_right(self, question: Question, given: str) -> bool:
        """Return the judge's verdict; raises as `Client.ask_checked`."""
        asked = {"question": question.text, "reference": question.answer, "answer": given}
        turns = [
            Turn("system", system_text(JUDGE_SYSTEM)),
            Turn("user", data_field("answer", asked)),
        ]
        verdict, _ = self._client.ask_checked(turns, _verdict)
        return verdict


def _verdict(reply: Reply) -> bool:
    said = str(json_object(reply).get("verdict")).strip().casefold()
    if said not in _VERDICTS:
        raise BadAnswerError('`verdict` has to be "correct" or "incorrect".')
    return _VERDICTS[said]
