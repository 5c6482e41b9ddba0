"""From a vector to an answer: quality check, tables, reasons. Pure: no HTTP, no files."""
