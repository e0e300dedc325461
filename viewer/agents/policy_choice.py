"""Which policy is to read, and all that it needs: chosen once, made anew for each session."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from viewer.agents.chat.client import Client, Spending
from viewer.agents.exchanges import ExchangeLog
from viewer.agents.plugins.plugin_policy import PluginPolicy
from viewer.agents.policies.baselines import PatchPolicy, ThumbnailPolicy
from viewer.agents.policies.giant import GiantPolicy
from viewer.agents.policies.local import REGIONS, LocalPolicy
from viewer.agents.policies.predictor import PredictorPolicy
from viewer.agents.policies.prompts import GIANT_SYSTEM, PREDICTOR_SYSTEM, prompts_digest

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.agents.actions import Policy
    from viewer.agents.endpoint import Endpoint
    from viewer.agents.permission import Permission
    from viewer.agents.plugins.plugin_names import PolicyPlugin
    from viewer.agents.proposals import Proposer

POLICIES = ("local", "predictor", "giant", "thumbnail", "patch")


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """A policy and its parameters.

    Attributes
    ----------
    policy
        One of `POLICIES`, or the name of a plug-in.
    regions
        Proposals that are gone to; not for giant.
    crop_px
        Longest side of what giant and thumbnail see; None takes the endpoint's.
    system
        The role given to the model; None takes the policy's own.
    proposer
        None takes tissue and nuclei alone.
    endpoint, permission
        Needed by all but local.
    key
        Of the endpoint; held in memory only and never shown.
    refused
        What the server does not know, learned on the way.
    plugin
        The policy of another package that is to read.
    """

    policy: str = "local"
    regions: int = REGIONS
    crop_px: int | None = None
    system: str | None = None
    proposer: Proposer | None = None
    endpoint: Endpoint | None = None
    study: str = ""
    permission: Permission | None = None
    key: str | None = None
    refused: set[str] = field(default_factory=set[str], compare=False)
    plugin: PolicyPlugin | None = None

    def __repr__(self) -> str:
        return f"PolicyChoice({self.policy})"  # a key has no place in a log or report

    @property
    def model(self) -> str:
        """Return the language model; "" where none is asked."""
        return "" if self.endpoint is None else self.endpoint.model

    @property
    def settings(self) -> dict[str, str]:
        """Return all that decides an answer, by name: results of other settings are not mixed."""
        settings = {"regions": str(self.regions), "prompts": prompts_digest()}
        if self.system is not None:
            settings["system prompt"] = hashlib.sha256(self.system.encode()).hexdigest()
        if self.proposer is not None:
            settings["predictor"] = getattr(self.proposer, "key", self.proposer.name)
        if self.crop_px is not None:
            settings["crop"] = str(self.crop_px)
        endpoint = self.endpoint
        if endpoint is not None:
            settings |= {
                "address": endpoint.base_url.rstrip("/"),
                "picture side": str(endpoint.picture_side_px),
                "picture quality": str(endpoint.jpeg_quality),
                "most pictures": str(endpoint.most_pictures),
                "temperature": str(endpoint.temperature),
                "most answer tokens": str(endpoint.most_answer_tokens),
            }
        return settings

    def client(self, session: Path, spending: Spending) -> Client:
        """Ask the chosen model; its exchanges are kept in the session's folder."""
        assert self.endpoint is not None
        return Client(
            self.endpoint,
            self.study,
            self.permission,
            key=self.key,
            log=ExchangeLog(session),
            spending=spending,
            refused=self.refused,
        )

    def made(self, session: Path, spending: Spending) -> Policy:
        """Return the policy for one session, which counts what it spends."""
        if self.policy == "local":
            return LocalPolicy(self.proposer, self.regions)
        if self.plugin is not None:
            server = None if self.endpoint is None else self.client(session, spending)
            return PluginPolicy(self.plugin, server)
        client = self.client(session, spending)
        if self.policy == "giant":
            return GiantPolicy(client, self.system or GIANT_SYSTEM, self.crop_px)
        if self.policy == "thumbnail":
            return ThumbnailPolicy(client, self.system or "", self.crop_px)
        if self.policy == "patch":
            return PatchPolicy(client, self.system or "")
        system = self.system or PREDICTOR_SYSTEM
        return PredictorPolicy(client, self.proposer, self.regions, system)
