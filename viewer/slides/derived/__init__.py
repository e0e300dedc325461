"""Levels that a slide does not have: halved from stored pixels, sketched, kept on the disk."""
