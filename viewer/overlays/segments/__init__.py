"""Results of many machines in a folder or bucket: immutable segments, and a manifest of them."""
