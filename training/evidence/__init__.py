"""Does recorded behavior help? A test on simulated readers that can be lost."""
