"""Application of a feature set: it becomes the one in force."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from db_init.database import NO_WRITES
from db_init.errors import LoadError
from db_init.feature_sets.champion import champion_inputs
from db_init.feature_sets.evolution import refusals, retained
from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import DEFAULT_SET, SHIPPED, Applied, current_set, earlier_features
from db_init.feature_sets.view import replace_view
from shared_schemas.feature_sets import Feature, FeatureSet

_SQL = Path(__file__).parent / "sql"
_STORE = (_SQL / "store.sql").read_text(encoding="utf-8")
_KEEP = (_SQL / "keep.sql").read_text(encoding="utf-8")

_OUTDATED = "the features of stored raw events are unchanged: `python -m db_init load --recompute` computes them again"


@dataclass(frozen=True)
class Options:
    """Options of `apply`.

    `drop`: remove the values of features that are no longer declared. `force`: apply even if the champion reads
    features that are then not served. `model_dir`: registry folder with the champion.
    """

    drop: bool = False
    force: bool = False
    model_dir: Path | None = None


def apply(connection: psycopg.Connection, feature_set: FeatureSet, folder: Path, options: Options) -> tuple[str, ...]:
    """Store the set and its view in one transaction, and return one line for each change.

    The caller holds the lock of loaders. `folder` holds the set's pipeline. Readers of vectors never wait. Raises
    LoadError, and then nothing is changed.
    """
    with connection.transaction():
        before = _before(connection, feature_set)
        earlier = earlier_features(connection, feature_set.name)
        if refused := list(refusals(earlier, feature_set)):
            raise LoadError("\n".join([f"The set {feature_set.name} cannot be applied:", *refused]))
        kept = () if options.drop or before is None else retained(before.feature_set, before.retained, feature_set)
        after = Applied(feature_set, kept, folder)
        _check_champion(after, options)
        lines = list(_told(before, after))
        if lines or options.drop:
            _store(connection, before, after, drop=options.drop)
        if options.drop:
            lines.append("values of features and versions that are no longer declared were dropped")
        if _outdated(connection, before, feature_set):
            lines.append(_OUTDATED)
    return tuple(lines)


def _before(connection: psycopg.Connection, new: FeatureSet) -> Applied | None:
    before = current_set(connection)
    if before is None or before.feature_set.name == new.name:
        return before
    [filled] = connection.execute("SELECT EXISTS (SELECT FROM feature_history)").fetchone() or [False]
    if filled:
        raise LoadError(
            f"This database holds events of the feature set {before.feature_set.name}; {new.name} needs a database of its own."
        )
    return None


def _check_champion(after: Applied, options: Options) -> None:
    served = {(one.name, one.version) for one in (*after.feature_set.features, *after.retained)}
    missing = sorted(champion_inputs(options.model_dir) - served) if not options.force else []
    if missing:
        names = ", ".join(f"{name} (version {version})" for name, version in missing)
        raise LoadError(
            f"The running champion reads {names}. Promote a model without it first, or use --force: "
            "then nothing is scored until one is promoted."
        )


def _told(before: Applied | None, after: Applied) -> Iterable[str]:
    """One line for each change."""
    if before is None:
        yield f"{len(after.feature_set.features)} features"
        return
    old, new = before.feature_set, after.feature_set
    yield from (f"new: {name}" for name in new.names if name not in old.by_name)
    yield from (f"no longer served: {name}" for name in old.names if name not in new.by_name)
    for feature in new.features:
        known = old.by_name.get(feature.name)
        if known and known.version != feature.version:
            yield f"raised: {feature.name} to version {feature.version}; version {known.version} is served to those who ask for it"
        elif known and known != feature:
            yield f"changed: {feature.name}"
    if _rest(old) != _rest(new) or _order(old, new) != _order(new, old):
        yield "changed: the set itself"
    if before.folder != after.folder:
        yield f"its folder is {after.folder}"


def _outdated(connection: psycopg.Connection, before: Applied | None, new: FeatureSet) -> bool:
    """Whether raw events are stored, and a feature is new or raised, or [source] is another one."""
    if before is None or new.source is None:
        return False
    known, served = ({(one.name, one.version) for one in given.features} for given in (before.feature_set, new))
    if served <= known and new.source == before.feature_set.source:
        return False
    [stored] = connection.execute(
        "SELECT EXISTS (SELECT FROM feature_history WHERE event_id IS NOT NULL)"
    ).fetchone() or [False]
    return bool(stored)


def _order(feature_set: FeatureSet, other: FeatureSet) -> list[str]:
    return [name for name in feature_set.names if name in other.by_name]


def _rest(feature_set: FeatureSet) -> FeatureSet:
    return feature_set.model_copy(update={"features": ()})


def _store(connection: psycopg.Connection, before: Applied | None, after: Applied, *, drop: bool) -> None:
    feature_set = after.feature_set
    old_name = connection.execute("SELECT name FROM feature_sets WHERE current").fetchone()
    values = {
        "name": feature_set.name,
        "digest": feature_set.digest,
        "document": feature_set.canonical(),
        "retained": json.dumps([_document(feature) for feature in after.retained]),
        "folder": str(after.folder) if after.folder.parent != SHIPPED else None,
    }
    if drop and before is not None:
        _keep(connection, after.keys)
    connection.execute("UPDATE feature_sets SET current = false WHERE current")
    connection.execute(_STORE, values)
    if drop:  # no stored value refers to an earlier document any more
        connection.execute("DELETE FROM feature_sets WHERE NOT current")
    replace_view(connection, feature_set, old_name[0] if old_name else None)


def _document(feature: Feature) -> dict[str, object]:
    return feature.model_dump(mode="json", exclude_defaults=True)


def _keep(connection: psycopg.Connection, keys: Sequence[str]) -> None:
    connection.execute(NO_WRITES)
    connection.execute("SELECT set_config('db_init.kept', %s::text[]::text, true)", [list(keys)])
    connection.execute(_KEEP)


def apply_default(connection: psycopg.Connection) -> None:
    """Apply the shipped set if no set was ever applied."""
    if current_set(connection) is None:
        folder = SHIPPED / DEFAULT_SET
        apply(connection, read_feature_set(folder / "feature_set.toml"), folder, Options())
