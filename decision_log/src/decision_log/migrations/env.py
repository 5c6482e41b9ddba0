"""Lets Alembic run on the connection that `decision_log.migrate` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="decision_log_version")
with context.begin_transaction():
    context.run_migrations()
