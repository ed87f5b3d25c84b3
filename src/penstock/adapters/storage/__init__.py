"""The metadata store on a SQL database: statements as text, the schema by SQLAlchemy."""

from penstock.adapters.storage.clock import StoreClock
from penstock.adapters.storage.store import SqlStore, open_store

__all__ = ["SqlStore", "StoreClock", "open_store"]
