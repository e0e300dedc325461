"""What to load next: requests, priorities, dropping, and a cache bounded in bytes."""
