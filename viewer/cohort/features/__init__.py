"""Patch features of many slides: kept in Lance tables, searched, and learned from."""
