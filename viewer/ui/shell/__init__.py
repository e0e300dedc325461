"""The frame of the window: top bar, tool strip, drawer, inspector, and the panels they hold."""
