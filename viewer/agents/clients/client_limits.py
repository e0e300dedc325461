"""How much of one slide an agent of another program gets."""

from __future__ import annotations

MEGAPIXELS = 64.0
"""Of images, by default: some sixty fields of 1,000 x 1,000 pixels."""
MOST_STEPS = 500
"""Moves and measurements of one reading."""
MOST_CALLS = 2000
"""Of one reading."""
