"""Sessions of reading: events, the log, behaviors, replay and exports; without Qt or torch."""
