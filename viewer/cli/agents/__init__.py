"""`coverslip agent`, `coverslip mcp` and `coverslip evaluate agent`: agents without a window."""

from viewer.cli.agents.evaluate import evaluate_agent
from viewer.cli.agents.mcp import serve_mcp
from viewer.cli.agents.read import run_agent

__all__ = ["evaluate_agent", "run_agent", "serve_mcp"]
