"""A slide to learn in: one field of view, moved as recorded readers move it (Gymnasium)."""
