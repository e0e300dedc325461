"""Boxes from a predictor that was trained on how readers look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.agents.errors import AgentError
from viewer.attention.predictor import Predictor, PredictorError, find_predictor
from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import BundleError
from viewer.slides.errors import TileError, part_unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.attention.proposing import Proposal
    from viewer.geometry import Optics
    from viewer.slides.source import SlideSource


class TrainedProposer(msgspec.Struct, frozen=True):
    """A predictor as a `Proposer`."""

    predictor: Predictor

    @property
    def name(self) -> str:
        return f"the predictor {self.predictor.bundle.name}"

    @property
    def key(self) -> str:
        """Return name, version and checksum: what it proposes depends on its weights."""
        return self.predictor.bundle.key

    def propose(self, source: SlideSource, optics: Optics, count: int) -> Sequence[Proposal]:
        try:
            return self.predictor.proposals(source, count, optics.mean_mpp_um)
        except (PredictorError, BundleError, ModelFailedError, ModelProcessError) as error:
            raise AgentError(str(error)) from error
        except TileError as error:
            raise AgentError(part_unreadable(error)) from error


def trained_proposer(name: str = "") -> TrainedProposer:
    """Return the predictor of a name, by default the one that was added last.

    Raises
    ------
    AgentError
        There is none; the sentence says how to make one.
    """
    try:
        return TrainedProposer(find_predictor(name))
    except BundleError as error:
        raise AgentError(str(error)) from error
