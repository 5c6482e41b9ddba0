"""The protocol of the engines that compute features from raw events. DuckDB and Spark implement it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from db_init.engines.dialects import Dialect
from db_init.files.reading import Scan
from db_init.progress import Steps


class Engine(Protocol):
    """Holds named tables, which are made by Ibis expressions or by SQL. SQL differs only in what `dialect` provides."""

    @property
    def folder(self) -> Path:
        """A temporary folder that is deleted with the engine."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """Exceptions that mean that values cannot be computed, not that the engine failed."""

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query. Only for queries with few rows."""

    def make(self, name: str, query: str) -> None:
        """Store the rows of a query as a table."""

    def table(self, name: str) -> Any:
        """The table as an Ibis expression."""

    def keep(self, name: str, expression: Any) -> Any:
        """Store the rows of an Ibis expression as a table, and return the table."""

    def count(self, name: str) -> int: ...

    def to_csv(self, query: str, file: Path) -> Path:
        """Write the rows of a query to a file, and return the file. Null becomes an empty cell."""

    def from_csv(self, name: str, file: Path, columns: Mapping[str, str]) -> None:
        """Store the rows of a CSV file as a table. `columns`: the DuckDB types of its columns by name."""

    def read(self, file: Path, steps: Steps, needed: Sequence[str], optional: Sequence[str] = ()) -> Scan:
        """Fill the tables `raw` (__line, columns as text) and `malformed` (__line, text, names of all columns)."""
