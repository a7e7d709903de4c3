"""Alembic's entry point: runs the revisions on the connection that `Database.upgrade` hands over."""

from __future__ import annotations

from alembic import context

import crm.schema

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=crm.schema.METADATA,
    transactional_ddl=True,  # Alembic holds SQLite for unable; with our explicit BEGIN it is able
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
