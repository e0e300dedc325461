"""An agent of another program attached to the window: its calls over a local socket.

`coverslip mcp --attach` speaks the protocol to the client and hands each call on to the window,
which carries it out (`viewer.ui.agents.client_door`). The window never speaks the protocol.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.clients.client_desk import ToolReply
from viewer.agents.errors import AgentError
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.processes.channel import Channel, ChannelError
from viewer.running_window import attach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.agents.clients.allowed_folders import AllowedFolders

MOST_FRAME_BYTES = 64 << 20
_GREETING_S = 10.0
NO_WINDOW = (
    "No window runs that agents can attach to: start Coverslip, and see Settings > Agents > Agents "
    "of other programs."
)
_GONE = "The window was closed, or the user ended the attachment."


class ClientCall(msgspec.Struct, frozen=True, tag="call"):
    """A call of the client; `arguments` is JSON."""

    client: str
    tool: str
    arguments: bytes


class ClientReply(msgspec.Struct, frozen=True, tag="reply"):
    """What the window gives for a call; `data` is JSON. The first one is the greeting."""

    data: bytes = b"{}"
    jpeg: bytes = b""
    refusal: str = ""

    @classmethod
    def of(cls, reply: ToolReply) -> ClientReply:
        """Return a reply as it is sent."""
        return cls(msgspec.json.encode(reply.data), reply.jpeg, reply.refusal)


class AttachedDesk:
    """The desk of the window that runs, from another process.

    Parameters
    ----------
    allowed
        Paths that the client gives have to lie below these; None leaves them to the user.

    Raises
    ------
    AgentError
        There is no window, or another agent is attached to it; one sentence.
    """

    def __init__(self, allowed: AllowedFolders | None = None) -> None:
        self._allowed = allowed
        connection = attach()
        if connection is None:
            raise AgentError(NO_WINDOW)
        decoder: msgspec.msgpack.Decoder[ClientReply] = msgspec.msgpack.Decoder(
            prepared(ClientReply)
        )
        self._channel: Channel[ClientReply] = Channel(connection, decoder, MOST_FRAME_BYTES)
        self._lock = threading.Lock()
        self._client = ""
        try:
            greeting = self._channel.receive(_GREETING_S)
        except ChannelError as error:
            self._channel.close()
            raise AgentError(NO_WINDOW) from error
        if greeting.refusal:
            self._channel.close()
            raise AgentError(greeting.refusal)

    def introduce(self, client: str) -> None:
        """Take the name by which the client calls itself."""
        self._client = self._client or client[:200]

    def call(self, tool: str, arguments: Mapping[str, object]) -> ToolReply:
        """Have the window carry a call out; calls wait for each other."""
        with self._lock:
            try:
                text = msgspec.json.encode(self._narrowed(tool, arguments))
                self._channel.send(ClientCall(self._client, tool[:200], text))
                reply = self._channel.receive()
            except AgentError as error:
                return ToolReply(refusal=str(error))
            except ChannelError:
                return ToolReply(refusal=_GONE)
            except (OverflowError, *DECODE_ERRORS):
                return ToolReply(refusal=f"The arguments of {tool[:60]} cannot be read.")
        data: dict[str, object] = msgspec.json.decode(reply.data)
        return ToolReply(data, reply.jpeg, reply.refusal)

    def _narrowed(self, tool: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Return the arguments, with the real path of a slide. Raises AgentError."""
        path = arguments.get("path")
        if self._allowed is None or tool != "open_slide" or not isinstance(path, str) or not path:
            return dict(arguments)
        return {**arguments, "path": str(self._allowed.slide(path))}

    def close(self) -> None:
        """Leave the window."""
        self._channel.close()
