"""Scripts that Redis runs, each one step that nobody can come between."""
