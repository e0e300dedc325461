"""Readings in other programs, received over HTTP and kept as sessions."""
