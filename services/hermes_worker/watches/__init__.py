"""Standing questions: what is asked when, and which events it makes."""
