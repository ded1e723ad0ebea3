"""The migrations make exactly the tables that the program uses, on both databases."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from tests.contract.conftest import bare_store
from tocsin.kernel.errors import Unavailable
from tocsin.store.store import Store, upgrade
from tocsin.store.tables import metadata


def test_the_schema_is_that_of_the_tables(store: Store) -> None:
    with store.database.reading.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_migrating_twice_changes_nothing(store: Store) -> None:
    upgrade(store.database)
    store.run(lambda tx: tx.next_number("incident"))
    upgrade(store.database)
    assert store.run(lambda tx: tx.next_number("incident")) == 2


def test_an_empty_database_is_filled_and_another_revision_is_left_to_a_person(database_url: str) -> None:
    store = bare_store(database_url)
    store.prepare(migrate=False)
    store.prepare(migrate=False)
    with store.database.writing.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(Unavailable, match="tocsin migrate"):
        store.prepare(migrate=False)
    store.close()
