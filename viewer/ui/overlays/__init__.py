"""Overlays in the window: the panel, and the engines that fill them."""
