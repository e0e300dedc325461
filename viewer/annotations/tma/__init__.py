"""Tissue microarrays: cores found on a slide, their grid, and what they are called."""
