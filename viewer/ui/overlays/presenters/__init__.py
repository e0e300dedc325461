"""What shows the results of a task on the canvas, a presenter a kind of result."""
