"""What a model does: a module a kind of task, without any library that computes."""
