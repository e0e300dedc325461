"""Speed and memory of the viewer, measured beside other readers: `python -m benchmarks`."""
