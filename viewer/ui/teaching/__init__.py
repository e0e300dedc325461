"""Teaching models in the window: pages, live answers, what is kept."""
