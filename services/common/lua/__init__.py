"""Scripts that Redis runs, each as one atomic step."""
