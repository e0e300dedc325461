"""Tries whether a model answers, sees images and takes tools, with nothing of any slide."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.agents.chat.conversation import Picture, PictureEncoder, Tool, Turn
from viewer.agents.chat.model_server import ModelServer, TryAgainError
from viewer.agents.endpoint import check_key
from viewer.agents.errors import (
    MODEL_DIALOG,
    AgentError,
    BadAnswerError,
    EndpointError,
    RefusedError,
)
from viewer.audit_log import trail
from viewer.egress import EgressError, check_egress

if TYPE_CHECKING:
    from viewer.agents.canceling import Cancel
    from viewer.agents.endpoint import Endpoint

_SIDE_PX = 64
_RED = (200, 30, 30)
_ASKED = "Which color is this square? Answer with one word."
_TOOL = Tool(
    "say_color", "Say a color.", {"type": "object", "properties": {"color": {"type": "string"}}}
)


class ConnectionReport(msgspec.Struct, frozen=True):
    """What was found out, in one sentence.

    Attributes
    ----------
    is_good
        Whether the model answered and saw the image.
    """

    sentence: str
    is_good: bool


def check_connection(endpoint: Endpoint, key: str | None, cancel: Cancel) -> ConnectionReport:
    """Send a red square that was made here, and return what came of it; asks once.

    Raises
    ------
    AgentCancelledError
        The user stopped it.
    """
    try:
        endpoint.check()
        check_key(key, endpoint.host)
        check_egress(endpoint.base_url, allowed_hosts=endpoint.allowed_hosts, carries_key=bool(key))
        return _tried(endpoint, key, cancel)
    except (AgentError, EgressError, TryAgainError) as error:
        # It is shown in that dialog, which need not be pointed at.
        sentence = str(error).replace(f" with {MODEL_DIALOG}", " here")
        return ConnectionReport(sentence, is_good=False)


def _tried(endpoint: Endpoint, key: str | None, cancel: Cancel) -> ConnectionReport:
    server = ModelServer(endpoint, key, PictureEncoder(endpoint.picture_side_px, 85))
    square = np.full((_SIDE_PX, _SIDE_PX, 3), _RED, np.uint8)
    turn = Turn("user", _ASKED, (Picture(square),))
    trail.note("sent", endpoint.host, f"connection test, model {endpoint.model}", 0)
    started_s = time.monotonic()
    where = f"{endpoint.model} at {endpoint.place}"
    try:
        reply = server.exchange([turn], [_TOOL], None, cancel)
    except BadAnswerError as error:
        return ConnectionReport(f"{where} was reached. {error}", is_good=False)
    except RefusedError as error:
        if "image" in str(error).casefold():
            blind = f"{error} It seems to take no images: choose a model that does."
            return ConnectionReport(blind, is_good=False)
        raise EndpointError(str(error)) from None
    said = (reply.text + "".join(call.arguments for call in reply.calls)).casefold()
    took = f"{where} answered in {time.monotonic() - started_s:.1f} s"
    if not any(word in said for word in ("red", "rot", "rouge", "rojo", "crimson")):
        doubt = "but did not name the color of a red square: it may not see images."
        return ConnectionReport(f"{took}, {doubt}", is_good=False)
    tools = "It takes no tools, so it is told of them in words."
    how = tools if "tools" in reply.left_out else "It sees images."
    return ConnectionReport(f"Connected: {took}. {how}", is_good=True)
