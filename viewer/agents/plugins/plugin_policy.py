"""A policy of another package, as the loop knows it: its process yields, and is told what is seen.

The process reads installed packages, nothing else: no slide, no network, no home. It has
pictures, tools and the model server by messages alone, which are checked here.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.agents.actions import Annotate, Answer, Bookmark, CallTool, GoTo, Note
from viewer.agents.canceling import AgentCancelledError
from viewer.agents.chat.conversation import Picture, Turn
from viewer.agents.errors import AgentError
from viewer.agents.findings import box_of, corners
from viewer.agents.microscope import on_slide, picture_of
from viewer.agents.plugins import plugin_messages as messages
from viewer.agents.policies.prompts import DATA_RULE
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.processes.channel import (
    ChannelClosedError,
    ChannelError,
    ChannelTimeoutError,
    open_channel,
)
from viewer.processes.confinement.launching import launch
from viewer.processes.memory_watch import MemoryWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from viewer.agents.actions import Action, Observation, Scene, Walk
    from viewer.agents.chat.client import Client
    from viewer.agents.plugins.plugin_names import PolicyPlugin
    from viewer.processes.channel import Channel

PATIENCE_S = 300.0
"""For the next message of the process."""
_MOST_BYTES = 4 << 30
_MOST_WANTS = 100
"""Pictures and answers for each step: a policy that only asks comes to no answer."""
_MAIN = "viewer.agents.plugins.plugin_process"


class PluginPolicy:
    """Runs a policy in a process of its own, once a walk.

    Parameters
    ----------
    client
        Of the model server; None where none was chosen, and the policy has to do without.
    """

    def __init__(self, plugin: PolicyPlugin, client: Client | None = None) -> None:
        self.name = plugin.name
        self._plugin = plugin
        self._client = client

    def walk(self, scene: Scene, first: Observation) -> Walk:
        with self._process(scene) as receive_from:
            channel, receive = receive_from
            _send(channel, _begin(scene, first))
            wants = 0
            while True:
                want = receive()
                if isinstance(want, messages.WantPicture | messages.WantReply):
                    wants += 1
                    if wants > _MOST_WANTS:
                        raise AgentError(f"{self.name} asked too often without going on.")
                    _send(channel, self._given(want, scene))
                else:
                    wants = 0
                    _send(channel, _seen((yield self._action(want))))

    @contextmanager
    def _process(
        self, scene: Scene
    ) -> Generator[tuple[Channel[messages.Want], Callable[[], messages.Want]]]:
        """Start the process; it ends with the block, or when the walk is canceled."""
        plugin = self._plugin
        decoder: msgspec.msgpack.Decoder[messages.Want] = msgspec.msgpack.Decoder(
            prepared(messages.Want)
        )
        channel, child_end = open_channel(decoder, messages.MOST_FRAME_BYTES)
        with child_end:
            number = child_end.fileno()
            child = launch(
                _MAIN,
                [plugin.name, plugin.value, plugin.folder, str(number)],
                readable_paths=[plugin.folder],
                inherited_fds=[number],
            )
        watch = MemoryWatch(child.pid, _MOST_BYTES, child.popen.kill)
        try:
            if not child.is_confined:
                raise AgentError(f"{self.name} is not run, as nothing confines it.")
            with scene.cancel.stopping(child.popen.kill):
                yield channel, lambda: channel.receive(PATIENCE_S)
        except ChannelTimeoutError as error:
            raise AgentError(f"{self.name} did nothing for {PATIENCE_S:.0f} s.") from error
        except ChannelError as error:
            if scene.cancel.is_set:
                raise AgentCancelledError from error
            if watch.has_killed:
                raise AgentError(f"{self.name} took too much memory and was ended.") from error
            raise AgentError(f"{self.name} ended, or said what is no message.") from error
        finally:
            watch.close()
            channel.close()
            child.close()

    def _action(self, want: messages.Want) -> Action:
        match want:
            case messages.WantGoTo():
                return GoTo(box_of(want.box), want.magnification, want.why)
            case messages.WantTool():
                return CallTool(want.tool, self._arguments(want))
            case messages.WantAnnotation():
                box = None if want.box is None else box_of(want.box)
                return Annotate(want.label, want.text, box, want.figures, self.name)
            case messages.WantNote():
                return Note(want.text)
            case messages.WantBookmark():
                return Bookmark(want.label, None if want.box is None else box_of(want.box))
            case messages.WantAnswer():
                return Answer(want.text, want.claims, want.choice)
            case messages.Stopped():
                raise AgentError(f"{self.name} stopped: {want.sentence[:500]}")
            case _:
                raise AssertionError(want)

    def _arguments(self, want: messages.WantTool) -> dict[str, object]:
        try:
            return msgspec.json.decode(want.arguments, type=dict[str, object])
        except DECODE_ERRORS as error:
            raise AgentError(f"{self.name} called {want.tool} without arguments.") from error

    def _given(
        self, want: messages.WantPicture | messages.WantReply, scene: Scene
    ) -> messages.Given:
        try:
            if isinstance(want, messages.WantPicture):
                source = scene.microscope.source
                rgb = picture_of(source, on_slide(box_of(want.box), source), want.side_px)
                return messages.Picture(rgb.shape[1], rgb.shape[0], rgb.tobytes())
            if self._client is None:
                return messages.Refused("No model server was chosen.")
            turns = [Turn("system", DATA_RULE), *(_turn(turn) for turn in want.turns)]
            reply = self._client.ask(turns, on_text=scene.say, cancel=scene.cancel)
            return messages.Replied(reply.text)
        except AgentError as error:
            return messages.Refused(str(error))


def _send(channel: Channel[messages.Want], message: msgspec.Struct) -> None:
    """Send a message; what a process said before it ended is still to be received."""
    with suppress(ChannelClosedError):
        channel.send(message)


def _begin(scene: Scene, first: Observation) -> messages.Begin:
    base, optics = scene.microscope.source.levels[0], scene.microscope.optics
    tools = [
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
        for tool in scene.tools.described()
    ]
    return messages.Begin(
        scene.task.question,
        scene.task.options,
        base.width_px,
        base.height_px,
        optics.mean_mpp_um,
        optics.native_magnification,
        msgspec.json.encode(tools),
        _seen(first),
    )


def _seen(seen: Observation) -> messages.Seen:
    return messages.Seen(
        corners(seen.field.box),
        seen.field.magnification,
        seen.steps_left,
        seen.visits,
        msgspec.json.encode(seen.result),
        seen.trouble,
        seen.remarks,
        seen.was_moved,
    )


def _turn(sent: messages.SentTurn) -> Turn:
    """Raise AgentError where a picture is not as long as it says."""
    pictures: list[Picture] = []
    for picture in sent.pictures:
        if len(picture.rgb) != picture.width_px * picture.height_px * 3:
            raise AgentError("A picture is not of the size that it says.")
        shape = (picture.height_px, picture.width_px, 3)
        rgb = np.frombuffer(picture.rgb, np.uint8).reshape(shape)
        pictures.append(Picture(rgb, picture.caption))
    return Turn(sent.role, sent.text, tuple(pictures))
