"""The files that are loaded: whether they can be read, their columns, and lines of CSV that an engine cannot read."""
