"""What a model can learn: kinds of tasks with their labels, heads, losses and metrics."""
