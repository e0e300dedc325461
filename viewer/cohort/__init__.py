"""Many slides: one queue of runs, one store of their results, one table to query."""
