"""Agents of other programs: what they may call, on which slides, and how they reach us."""
