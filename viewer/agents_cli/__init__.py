"""`coverslip agent` and `coverslip evaluate agent`: agents that read slides without a window."""

from viewer.agents_cli.evaluate import evaluate_agent
from viewer.agents_cli.read import run_agent

__all__ = ["evaluate_agent", "run_agent"]
