"""Counts per area, such as mitoses: fields of a known size, the points in them, and their table."""
