"""Coverslip: a desktop whole-slide viewer."""

import gc

__version__ = "0.2.0"

# Python looks for cycles among what is new at each 700 objects more: a sixth of the time in which
# the program's modules are imported, of which everything stays. The window's make 100,000.
gc.set_threshold(max(200_000, gc.get_threshold()[0]), *gc.get_threshold()[1:])
