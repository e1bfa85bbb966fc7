"""Says what changed between two recordings of the same conversations, and whether it matters."""
