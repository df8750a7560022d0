"""The Store port on Peewee: SQLite and PostgreSQL, which share the repositories.

All SQL of the project stands in this package. Hot statements are SQL text on the driver's own
connection, because building them with the ORM costs more than running them; the rest is Peewee's.
"""

from adapters.peewee_store.store import PostgresStore, SqliteStore, SqlStore

__all__ = ["PostgresStore", "SqlStore", "SqliteStore"]
