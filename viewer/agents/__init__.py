"""Agents that read slides: the loop, its policies and tools, and the vision-language client."""
