"""Copies of slides without label, macro and texts, their pyramids untouched."""
