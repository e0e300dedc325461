"""Talking to a vision-language model: conversations, requests, and what its servers answer."""
