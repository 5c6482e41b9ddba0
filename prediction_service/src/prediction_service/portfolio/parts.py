"""The partial results of a run, in a folder next to the output file, so that an interrupted run can be continued.

FILE.parts/run.json         model, policy and options of the run; a run with others is refused
FILE.parts/LAST_ID.parquet  decisions up to the client with this id
FILE.parts/pending.json     decisions that are being recorded
"""

import base64
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from errno import EISDIR
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from decision_log import Entry, Listed, commitment

SCHEMA = pa.schema(
    {
        "client_id": pa.int64(),
        "event_timestamp": pa.timestamp("us", tz="UTC"),
        "probability": pa.float64(),
        "score": pa.int16(),
        "label": pa.int8(),
        "decision": pa.string(),
        "decided_by": pa.string(),
        "qa_failure_cases": pa.list_(pa.string()),
        "stale": pa.list_(pa.string()),
        "reasons": pa.list_(pa.string()),
        "decision_id": pa.string(),
    }
)

Row = tuple[Any, ...]
"""The values of one client, in the order of SCHEMA."""
Rows = Sequence[Row]


class OtherRun(Exception):
    """The folder belongs to a run with other options. The message is for the person who runs the command."""


class Parts:
    def __init__(self, file: Path, run: Mapping[str, str]) -> None:
        """Open or create the folder of a run. Raises OtherRun and OSError."""
        if file.is_dir():  # fail before anything is decided and recorded
            raise IsADirectoryError(EISDIR, "Is a directory; name a file", str(file))
        self._file = file
        self._folder = file.with_name(f"{file.name}.parts")
        self._run = run
        self._pending = self._folder / "pending.json"
        self._folder.mkdir(parents=True, exist_ok=True)
        note = self._folder / "run.json"
        if not note.exists():
            _write(note, orjson.dumps(run))
        elif orjson.loads(note.read_bytes()) != run:
            raise OtherRun(
                f"{self._folder} belongs to a run with another model, policy or options: remove it to start again."
            )

    @property
    def last_id(self) -> int:
        """The highest client id in the parts; 0 if there are none."""
        return max((int(part.stem) for part in self._folder.glob("*.parquet")), default=0)

    def add(self, rows: Rows) -> None:
        columns = zip(*rows, strict=True)
        table = pa.Table.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
        )
        part = self._folder / f"{rows[-1][0]:020}.parquet"
        fresh = part.with_suffix(".new")
        pq.write_table(table, fresh)
        fresh.replace(part)
        self._pending.unlink(missing_ok=True)

    def pend(self, rows: Rows, entries: Sequence[Entry]) -> None:
        """Store decisions before they are recorded, so that an interrupted run records exactly the same again."""
        sealed = [[entry.record.decode(), base64.b64encode(entry.salt).decode()] for entry in entries]
        _write(self._pending, orjson.dumps({"rows": rows, "sealed": sealed}))

    def pending(self) -> tuple[Rows, list[Entry]] | None:
        try:
            kept = orjson.loads(self._pending.read_bytes())
        except FileNotFoundError:
            return None
        rows = [(client_id, datetime.fromisoformat(instant), *others) for client_id, instant, *others in kept["rows"]]
        return rows, [_entry(record.encode(), base64.b64decode(salt)) for record, salt in kept["sealed"]]

    def finish(self) -> int:
        """Join the parts in the order of client ids into the output file, and return the number of clients."""
        fresh = self._file.with_name(f".{self._file.name}.new")
        rows = 0
        metadata = {key.encode(): value.encode() for key, value in self._run.items()}
        with pq.ParquetWriter(fresh, SCHEMA.with_metadata(metadata)) as writer:
            for part in sorted(self._folder.glob("*.parquet")):
                table = pq.read_table(part).replace_schema_metadata(metadata)
                writer.write_table(table)
                rows += table.num_rows
        fresh.replace(self._file)
        shutil.rmtree(self._folder)
        return rows


def _entry(record: bytes, salt: bytes) -> Entry:
    said = orjson.loads(record)
    listed = Listed(
        UUID(said["decision_id"]),
        said["kind"],
        datetime.fromisoformat(said["decided_at"]),
        *(said[name] for name in ("client_id", "decision", "score", "model_version", "origin")),
    )
    return Entry(listed, record, salt, commitment(salt, record))


def _write(file: Path, content: bytes) -> None:
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
