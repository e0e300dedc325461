"""Agents in the window: the walk on the canvas, questions, the model's endpoint, permission."""
