"""Slides on screen: panes, the list of slides, panels about one slide, and what is opened next."""
