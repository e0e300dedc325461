"""Slides on screen: panes, the tray, the panels about one slide, and what is opened next."""
