"""Annotations in the window."""
