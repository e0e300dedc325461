"""Rationales of actions: drafted, judged by reviewers, and kept with where they are from."""
