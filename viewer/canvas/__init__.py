"""The deep-zoom widget, its layers and its tools."""
