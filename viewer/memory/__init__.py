"""Memory for very much at once: made, kept warm, and given back without the window waiting."""
