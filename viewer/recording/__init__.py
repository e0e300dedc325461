"""Sessions of reading: events, the log, behaviours, replay and exports; without Qt or torch."""
