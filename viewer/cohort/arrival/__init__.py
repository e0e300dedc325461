"""Quality of slides as they arrive in a folder."""
