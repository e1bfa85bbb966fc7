"""Alembic migrations of a store; `versions/` holds one file a step."""
