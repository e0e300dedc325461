"""Single pictures without a pyramid: decoded to memory, or a few rows at a time."""
