"""Cell detection that is tuned in the window: settings, live preview and scores."""
