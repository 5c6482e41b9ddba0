"""Lets Alembic run on the connection that `db_init.migrate` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], version_table="schema_version", transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
