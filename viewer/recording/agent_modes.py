"""What the ways of agents are called, in the panel of agents as in the sessions they leave."""

from __future__ import annotations

AGENT_PREFIX = "agent-"
"""Begins the pseudonym of an agent in its sessions."""
AGENT_MODES = {
    "local": "Bundled models only",
    "predictor": "Language model judges",
    "giant": "Language model leads",
    "thumbnail": "Baseline: whole slide at once",
    "patch": "Baseline: random patches",
}
"""By the names that files and the command line use."""


def agent_mode(policy: str) -> str:
    """Return what a policy is called where people read; that of others by its own name."""
    return AGENT_MODES.get(policy, policy)
