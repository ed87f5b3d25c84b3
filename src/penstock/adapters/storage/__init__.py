"""The metadata store on SQLite or PostgreSQL, through SQLAlchemy Core."""

from penstock.adapters.storage.clock import StoreClock
from penstock.adapters.storage.store import SqlStore, open_store

__all__ = ["SqlStore", "StoreClock", "open_store"]
