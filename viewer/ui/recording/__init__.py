"""Recording in the window: the control, the lamp, the sessions, the replay, what was seen."""
