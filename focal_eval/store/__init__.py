"""Keeps runs and finds them again: one SQLite file by default, PostgreSQL by URL.

The databases' libraries are an extra, and imported by `open_store` alone.
"""

from focal_eval.store.address import DEFAULT, Address, address_of
from focal_eval.store.base import Store
from focal_eval.store.model import CaseFacts, RunFacts, TryFacts
from focal_eval.store.opening import open_store

__all__ = ["DEFAULT", "Address", "CaseFacts", "RunFacts", "Store", "TryFacts", "address_of", "open_store"]
