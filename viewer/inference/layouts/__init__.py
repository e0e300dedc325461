"""Models as other programs keep them: a module a layout, without running anything of them."""
