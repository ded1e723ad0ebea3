"""Alembic's entry: runs the migrations on the connection that the store hands over."""

from alembic import context

from tocsin.store.database import Database
from tocsin.store.tables import metadata

database: Database = context.config.attributes["database"]

with database.writing.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=database.is_sqlite,
        transaction_per_migration=True,
        user_module_prefix="",
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
