"""Models at work on a slide, in a process of their own."""
