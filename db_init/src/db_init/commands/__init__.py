"""The commands, one module each: its arguments and its work.

These modules import heavy packages inside functions: Ibis, Alembic and NumPy take a second, and no command needs all.
"""
