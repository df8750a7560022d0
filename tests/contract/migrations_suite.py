"""What every implementation of `Migrations` does, whether it has a schema or not."""

import pytest

from application.ports.migrations import Migrations
from domain.errors import StoreUnavailable
from entrypoints.stores import OpenedStore
from tests.builders import OCTETS, an_email


class MigrationsContract:
    """The contract of `application.ports.migrations.Migrations`."""

    migrations: tuple[str, ...] = ()  # all that there are, in order

    @pytest.fixture
    def unmigrated(self, store: OpenedStore) -> OpenedStore:
        """A store that was never migrated; where there is no schema any store is one."""
        return store

    def test_what_is_pending_is_named_in_order(self, unmigrated: Migrations) -> None:
        assert tuple(unmigrated.pending()) == self.migrations

    def test_asking_what_is_pending_changes_nothing(self, unmigrated: OpenedStore) -> None:
        unmigrated.pending()
        assert tuple(unmigrated.pending()) == self.migrations
        if self.migrations:
            with pytest.raises(StoreUnavailable):
                unmigrated.ping()

    def test_migrate_names_what_was_pending(self, unmigrated: Migrations) -> None:
        assert tuple(unmigrated.migrate()) == self.migrations

    def test_once_migrated_nothing_is_pending(self, unmigrated: Migrations) -> None:
        unmigrated.migrate()
        assert tuple(unmigrated.pending()) == ()
        assert tuple(unmigrated.migrate()) == ()

    def test_what_was_stored_is_there_after_migrating_again(self, unmigrated: OpenedStore) -> None:
        unmigrated.migrate()
        email = unmigrated.write(lambda tx: tx.emails.add(an_email(), OCTETS))
        unmigrated.migrate()
        assert unmigrated.read(lambda tx: tx.emails.get(email.id)) == email
