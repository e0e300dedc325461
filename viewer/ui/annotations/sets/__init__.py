"""Sets of annotations in the window: several on one slide, one of them drawn in."""
