"""Formats of scanners, read by OpenSlide, and what it leaves out of them without a word."""
