"""A rule-following agent as data, and the pure function that plays one turn of it."""
