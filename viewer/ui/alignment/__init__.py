"""Slides of the same tissue that move together: aligned by landmarks, or by what they show."""
