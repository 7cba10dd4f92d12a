"""Events, as clients see them: lists, and messages as they come."""
