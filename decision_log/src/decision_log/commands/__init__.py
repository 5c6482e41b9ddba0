"""What the commands do. `decision_log.__main__` says how they are called."""
