"""What lies on the slide in a pane: layers, the map's buttons, modes and the context menu."""
