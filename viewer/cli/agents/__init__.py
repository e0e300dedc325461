"""`coverslip agent` and `coverslip evaluate agent`: agents that read slides without a window."""

from viewer.cli.agents.evaluate import evaluate_agent
from viewer.cli.agents.read import run_agent

__all__ = ["evaluate_agent", "run_agent"]
