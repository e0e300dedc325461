"""Where an agent of another program attaches to the window: one at a time, from the same user."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, QSocketNotifier, Qt, Signal

from viewer.agents.clients.attachment import MOST_FRAME_BYTES, ClientCall, ClientReply
from viewer.agents.clients.client_desk import ClientDesk
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.processes.channel import Channel, ChannelError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from viewer.agents.clients.client_desk import ReadingPlace
    from viewer.running_window import RunningWindow

_log = logging.getLogger(__name__)
_MOST_WAITING = 8
_END_S = 3.0
_TAKEN = "Another agent is attached to the window: it has to leave first."
_FLOOD = "Too many calls at once: wait for the answers."


class ClientDoor(QObject):
    """Listens while the window runs; `close` gives the place up.

    Parameters
    ----------
    place_for
        Makes the place in which a client reads.
    """

    came = Signal(str)
    """A client called for the first time, by this name."""
    left = Signal()
    """The client is gone."""

    _introduced = Signal(object, str)
    _gone = Signal(object)

    def __init__(
        self, listening: RunningWindow, place_for: Callable[[], ReadingPlace], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._listening = listening
        self._place_for = place_for
        self._client: _AttachedClient | None = None
        self._introduced.connect(self._on_introduced, Qt.ConnectionType.QueuedConnection)
        self._gone.connect(self._on_gone, Qt.ConnectionType.QueuedConnection)
        descriptor = listening.listener.fileno()
        self._notifier = QSocketNotifier(descriptor, QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._accept)

    def dismiss(self) -> None:
        """Send the client away; its reading ends."""
        if self._client is not None:
            self._client.close()

    def close(self) -> None:
        """Listen no more, and send the client away."""
        self._notifier.setEnabled(False)
        client, self._client = self._client, None
        if client is not None:
            client.close()
            client.join()
        self._listening.close()

    def _accept(self) -> None:
        connection = self._listening.accept()
        if connection is None:
            return
        connection.setblocking(True)
        if self._client is not None:
            _turn_away(connection)
            return
        self._client = client = _AttachedClient(
            connection,
            ClientDesk(self._place_for()),
            lambda client, name: self._introduced.emit(client, name),
            lambda client: self._gone.emit(client),
        )
        client.start()

    def _on_introduced(self, client: _AttachedClient, name: str) -> None:
        if client is self._client:
            self.came.emit(name)

    def _on_gone(self, client: _AttachedClient) -> None:
        if client is self._client:
            self._client = None
            self.left.emit()


class _AttachedClient:
    """One connection: a thread that reads calls, and one that has them carried out."""

    def __init__(
        self,
        connection: socket.socket,
        desk: ClientDesk,
        on_introduced: Callable[[_AttachedClient, str], object],
        on_gone: Callable[[_AttachedClient], object],
    ) -> None:
        decoder: msgspec.msgpack.Decoder[ClientCall] = msgspec.msgpack.Decoder(prepared(ClientCall))
        self._channel: Channel[ClientCall] = Channel(connection, decoder, MOST_FRAME_BYTES)
        self._desk = desk
        self._on_introduced, self._on_gone = on_introduced, on_gone
        self._calls: queue.Queue[ClientCall | None] = queue.Queue(_MOST_WAITING)
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._receive, "agent's calls"), (self._serve, "agent's work"))
        ]

    def start(self) -> None:
        """Greet the client, and take its calls."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the connection; the threads end by themselves."""
        self._channel.close()

    def join(self) -> None:
        """Wait for the threads a moment: they must not outlive the window."""
        for thread in self._threads:
            thread.join(_END_S)

    def _receive(self) -> None:
        try:
            self._channel.send(ClientReply())
            name = ""
            while True:
                call = self._channel.receive()
                if not name:
                    self._desk.introduce(call.client)
                    name = self._desk.client
                    self._on_introduced(self, name)
                try:
                    self._calls.put_nowait(call)
                except queue.Full:
                    self._channel.send(ClientReply(refusal=_FLOOD))
        except ChannelError as error:
            _log.info("the agent has left (%s)", error)
        finally:
            self._ended.set()
            self._channel.close()
            self._desk.close()
            self._on_gone(self)

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                call = self._calls.get(timeout=0.5)
            except queue.Empty:
                continue
            assert call is not None
            reply = ClientReply.of(self._desk.call(call.tool, _decoded(call.arguments)))
            try:
                self._channel.send(reply)
            except ChannelError:
                return


def _decoded(arguments: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(arguments, type=dict[str, object])
    except DECODE_ERRORS:
        return {"arguments": "no JSON"}  # refused by every tool


def _turn_away(connection: socket.socket) -> None:
    try:
        connection.settimeout(1.0)
        channel: Channel[ClientCall] = Channel(
            connection, msgspec.msgpack.Decoder(prepared(ClientCall))
        )
        channel.send(ClientReply(refusal=_TAKEN))
        channel.close()
    except (ChannelError, OSError):
        connection.close()
