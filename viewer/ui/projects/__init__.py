"""Projects in the window: their slides, their questions, and annotators compared."""
