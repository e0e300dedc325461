"""Child processes: how they are spoken to, how pixels reach them, and what confines them."""
