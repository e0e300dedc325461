"""What is used of libraries that bring no types, or none that are complete."""
