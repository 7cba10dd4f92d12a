"""`make bench-memory`: what each memory keeps, as right answers to questions with a known truth."""
