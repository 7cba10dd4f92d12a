"""`make bench-memory`: what each memory keeps, as right answers to questions of known truth."""
