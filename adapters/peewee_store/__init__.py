"""The Store port on Peewee: SQLite and PostgreSQL, which share the repositories.

All SQL of the project stands in this package. Queries are built with Peewee, once, at
import (`queries`). SQL text stands in the hot modules alone, and each of them says why.
"""

from adapters.peewee_store.store import PostgresStore, SqliteStore, SqlStore

__all__ = ["PostgresStore", "SqlStore", "SqliteStore"]
