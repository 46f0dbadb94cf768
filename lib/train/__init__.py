"""Training: one loop, and the objective of each task."""
