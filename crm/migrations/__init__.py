"""Alembic migrations, run in-process by `Database.upgrade`."""
