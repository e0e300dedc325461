"""Slides going out again: converted to open formats, and copied without what names the patient."""
