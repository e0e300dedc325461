"""Slide models taught by labels of whole slides, on the features of a store."""
