"""Policies of other packages: which there are, and the confined process that each runs in."""
