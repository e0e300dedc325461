"""Slides that go out again from the window: converted and de-identified."""
