"""What will be said and expected, each value with its place in the file."""
