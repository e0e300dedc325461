"""Recording in the window: the control, the pill, the sessions, the replay, what was seen."""
