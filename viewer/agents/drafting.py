"""Drafts of rationales by a vision-language model, for a reviewer to judge."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from viewer.agents.canceling import AgentCancelledError
from viewer.agents.chat.conversation import Picture, Turn
from viewer.agents.errors import AgentError
from viewer.recording.review.drafting import DraftAnswer, DraftCancelledError, DraftError

if TYPE_CHECKING:
    from viewer.agents.canceling import Cancel
    from viewer.agents.chat.client import Client
    from viewer.recording.review.drafting import DraftRequest

DRAFTING_FOLDER = "drafting"
"""Within the session: every exchange with the model, with the pictures that were sent."""


class ModelDrafter:
    """Asks one model for each draft; a `viewer.recording.review.drafting.Drafter`."""

    def __init__(self, client: Client, cancel: Cancel) -> None:
        self._client = client
        self._cancel = cancel

    def draft(self, request: DraftRequest) -> DraftAnswer:
        """Return the model's answer to the prompt and the three pictures.

        Raises
        ------
        DraftError
            There is none.
        DraftCancelledError
            The user stopped it.
        """
        pictures = (
            _picture(request.thumbnail, "The whole slide, with the box:"),
            _picture(request.crop, "What was on screen in the box:"),
            _picture(request.detail, "Its cells:"),
        )
        turn = Turn("user", request.prompt, pictures)
        try:
            reply = self._client.ask([turn], cancel=self._cancel)
        except AgentCancelledError:
            raise DraftCancelledError from None
        except AgentError as error:
            raise DraftError(str(error)) from error
        return DraftAnswer(reply.text, self._client.endpoint.model)


def _picture(jpeg: bytes, caption: str) -> Picture:
    with Image.open(io.BytesIO(jpeg)) as image:
        return Picture(np.asarray(image.convert("RGB")), caption)
