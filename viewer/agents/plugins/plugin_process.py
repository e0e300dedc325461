"""The confined process of a policy of another package: loads it, and lets it walk."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.plugins import plugin_messages as messages
from viewer.agents.plugins.plugin_names import GROUP
from viewer.agents.plugins.plugin_scene import PluginScene, observation, want_of
from viewer.prepared_types import prepared
from viewer.processes.channel import ChannelError, inherited_channel
from viewer.processes.confinement.inside import is_confined

if TYPE_CHECKING:
    from viewer.processes.channel import Channel


def main(arguments: list[str]) -> None:
    """Run the policy `value` named `name` from `folder`; the last argument is the channel."""
    name, value, folder, descriptor = arguments
    decoder: msgspec.msgpack.Decoder[messages.Given] = msgspec.msgpack.Decoder(
        prepared(messages.Given)
    )
    channel = inherited_channel(int(descriptor), decoder)
    try:
        if not is_confined():
            channel.send(messages.Stopped("Nothing confines it."))
            return
        sys.path.append(folder)
        _walk(EntryPoint(name, value, GROUP), channel)
    except ChannelError:
        return  # the program has no more use for it
    except Exception as error:  # another's code may fail in any way
        sentence = str(error) or type(error).__name__
        channel.send(messages.Stopped(f"{type(error).__name__}: {sentence}"[:500]))


def _walk(entry: EntryPoint, channel: Channel[messages.Given]) -> None:
    policy = entry.load()()
    begin = channel.receive()
    assert isinstance(begin, messages.Begin)
    walk = policy.walk(PluginScene.of(begin, channel), observation(begin.first))
    action = next(walk)
    while True:
        channel.send(want_of(action))
        seen = channel.receive()
        assert isinstance(seen, messages.Seen)
        action = walk.send(observation(seen))
