"""Where readers look: learned from their sessions, measured, and proposed for other slides."""
