"""The result of a run as it grows: parts beside the file that they become, so that a run that ended is continued.

FILE.parts/run.json         what decides in this run; another one is refused
FILE.parts/LAST_ID.parquet  the decisions up to this client
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
"""The values of a client, in the order of the schema."""
Rows = Sequence[Row]


class OtherRun(Exception):
    """What is there belongs to a run that decides otherwise. The message is for a person."""


class Parts:
    def __init__(self, file: Path, run: Mapping[str, str]) -> None:
        """Raises OtherRun and OSError."""
        if file.is_dir():  # before anything is decided, and recorded
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
                f"{self._folder} is of a run with another model, policy or options: remove it to begin anew."
            )

    @property
    def last_id(self) -> int:
        """The client up to which there are parts; 0: there is none."""
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
        """Keep what is about to be recorded, so that a run which ends meanwhile records the same again."""
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
        """Join the parts in the order of the ids, and say how many clients these are."""
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
