"""Slides that lie on servers: their addresses, and the bytes that are fetched from there.

The window asks the helper for ranges of bytes (`client`), the helper alone contacts servers
(`serving`), and the confined process that reads the slide asks the window (`asked`).
"""
