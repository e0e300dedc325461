"""Let an agent of smolagents read a slide with Coverslip's tools, over the Model Context Protocol.

pip install 'smolagents[mcp,openai]' 'coverslip[mcp]'
python examples/mcp_smolagents.py SLIDE "Is there tumor?" http://127.0.0.1:8000/v1 MODEL

Images of the slide go to the model's server: it is yours to say that they may.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mcp import StdioServerParameters
from smolagents import MCPClient, OpenAIServerModel, ToolCallingAgent

TASK = """Read the slide {path} and answer: {question}
Call open_slide first, then overview, look at boxes, and end with answer and its evidence."""


def main(slide: str, question: str, address: str, model: str) -> None:
    """Read one slide and print the answer."""
    path = Path(slide).absolute()
    server = StdioServerParameters(
        command="coverslip", args=["mcp", "--allow", str(path.parent)], env=dict(os.environ)
    )
    key = os.environ.get("OPENAI_API_KEY", "none")
    with MCPClient(server, structured_output=False) as tools:
        agent = ToolCallingAgent(tools, OpenAIServerModel(model, api_base=address, api_key=key))
        print(agent.run(TASK.format(path=path, question=question)))


if __name__ == "__main__":
    main(*sys.argv[1:5])
