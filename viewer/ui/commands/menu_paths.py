"""Menus in which the commands of several subjects stand."""

PANELS = ("&View", "Pane&ls")
