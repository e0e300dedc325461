"""Cells found by optical density and measured by QuPath's names, with settings that people tune."""
