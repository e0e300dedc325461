"""The local agent of the product, led by one map or another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.evidence.fields import first_found
from viewer.agents.actions import Task
from viewer.agents.headless import HeadlessMicroscope
from viewer.agents.loop import AgentRun
from viewer.agents.policies.local import LocalPolicy
from viewer.agents.proposals import TissueProposal
from viewer.agents.slide_models import SlideModels
from viewer.agents.slide_tools import SlideTools
from viewer.attention.simulated_session import SCREEN_PX
from viewer.geometry import Box
from viewer.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from training.evidence.preparing import Prepared
    from training.evidence.protocol import Protocol
    from viewer.geometry import Optics
    from viewer.slides.source import SlideSource

_STEPS_A_REGION = 4
"""A move, and the measurements that are asked for there."""


@dataclass(frozen=True, slots=True)
class _Ordered:
    """Fields in a given order, as the agent is proposed them."""

    name: str
    fields: Sequence[Box]

    def propose(self, source: SlideSource, optics: Optics, count: int) -> list[TissueProposal]:
        del source, optics
        some = self.fields[:count]
        return [TissueProposal(box, None, 1 / rank) for rank, box in enumerate(some, 1)]


def steps_to_find(
    slide: Prepared,
    orders: Mapping[str, Sequence[Box]],
    hidden: NDArray[np.bool_],
    protocol: Protocol,
    sessions: Path,
) -> dict[str, int]:
    """Return, by order, at which region the agent has the hidden tissue before it.

    One more than it goes to, where it never has. No model measures at the regions: what they
    measured would not change where it goes.
    """
    found: dict[str, int] = {}
    source = open_slide(slide.path)
    try:
        for name, fields in orders.items():
            microscope = HeadlessMicroscope(
                source, source.info.optics, sessions, "agent-local", SCREEN_PX
            )
            tools = SlideTools(source, SlideModels(slide.path, source, None))
            policy = LocalPolicy(_Ordered(name, fields), protocol.agent_regions)
            most = _STEPS_A_REGION * protocol.agent_regions
            run = AgentRun(policy, microscope, tools, Task("Is there other tissue?"),
                           most_steps=most)  # fmt: skip
            try:
                outcome = run.run()
            finally:
                tools.close()
                microscope.close()
            if outcome.failure:
                raise RuntimeError(outcome.failure)
            seen = [Box(*visit.box) for visit in outcome.visits]
            first = first_found(hidden, seen, protocol)
            found[name] = protocol.agent_regions + 1 if first is None else first
    finally:
        source.close()
    return found
