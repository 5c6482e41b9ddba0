"""One module a command: its arguments, and what it does with them.

A module here imports nothing heavy at its top. Ibis, Alembic and NumPy take a second together, and no command needs all.
"""
