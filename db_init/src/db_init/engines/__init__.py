"""The engines that compute features from raw events: DuckDB and Spark, behind one protocol."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from db_init.engines.dialects import Dialect
from db_init.loading.files import Scan
from db_init.progress import Steps


class Engine(Protocol):
    """Tables by name, made by SQL that both engines understand, but for their dialects, or by Ibis expressions."""

    @property
    def folder(self) -> Path:
        """A temporary folder that goes with the engine."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """What it raises where values cannot be computed, and the engine itself is well."""

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query. They are few."""

    def make(self, name: str, query: str) -> None:
        """A table of a query's rows, computed once by the engine."""

    def table(self, name: str) -> Any:
        """A table, for Ibis expressions."""

    def keep(self, name: str, expression: Any) -> Any:
        """The table of an expression's rows, computed once by the engine."""

    def count(self, name: str) -> int: ...

    def to_csv(self, query: str, file: Path) -> Path:
        """Write the rows of a query; null is an empty cell."""

    def from_csv(self, name: str, file: Path, columns: Mapping[str, str]) -> None:
        """A table of a file's rows. `columns`: the types of DuckDB by name."""

    def read(self, file: Path, steps: Steps, needed: Sequence[str], optional: Sequence[str] = ()) -> Scan:
        """Fill table `raw` (__line, and the columns as text) and `malformed` (__line, text, and the names of all columns)."""
