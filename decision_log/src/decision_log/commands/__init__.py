"""The work of the commands, which `decision_log.__main__` calls."""
