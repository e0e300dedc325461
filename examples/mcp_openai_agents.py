"""Let an agent of the OpenAI Agents SDK read a slide with Coverslip's tools.

pip install openai-agents 'coverslip[mcp]'
python examples/mcp_openai_agents.py SLIDE "Is there tumor?" http://127.0.0.1:8000/v1 MODEL

Images of the slide go to the model's server: it is yours to say that they may.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI

INSTRUCTIONS = (
    "You read slides of tissue for research. Call open_slide first, then overview, look at boxes, "
    "and end with answer and its evidence."
)


async def main(slide: str, question: str, address: str, model: str) -> None:
    """Read one slide and print the answer."""
    set_tracing_disabled(disabled=True)  # nothing goes anywhere but to the model's server
    path = Path(slide).absolute()
    key = os.environ.get("OPENAI_API_KEY", "none")
    served = OpenAIChatCompletionsModel(model, AsyncOpenAI(base_url=address, api_key=key))
    start = {
        "command": "coverslip",
        "args": ["mcp", "--allow", str(path.parent)],
        "env": dict(os.environ),
    }
    async with MCPServerStdio(start, client_session_timeout_seconds=120) as tools:
        reader = Agent("reader", instructions=INSTRUCTIONS, model=served, mcp_servers=[tools])
        run = await Runner.run(
            reader, f"Read the slide {path} and answer: {question}", max_turns=40
        )
        print(run.final_output)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
