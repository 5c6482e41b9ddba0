"""Reading of a feature set from a TOML file, with mistakes reported by line and key."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from db_init.errors import LoadError
from db_init.feature_sets.sources import source_mistakes
from db_init.feature_sets.toml_lines import TomlLines
from shared_schemas.feature_sets import (
    MAX_FEATURES,
    RESERVED,
    Entity,
    Feature,
    FeatureSet,
    Outcome,
    Source,
    SourceColumn,
)
from shared_schemas.reason_texts import FeatureTexts

_LARGEST = 16 << 20
_BOUNDS = ("minimum", "exclusive_minimum", "maximum", "exclusive_maximum")
_SHOWN = 50
_TAKEN_NAMES = {"online": "its view would have the name of the table online_features"}


@dataclass(frozen=True)
class Mistake:
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}: {self.message}" if self.key else f"line {self.line}: {self.message}"


class FeatureSetRefused(LoadError):
    """The file is not a valid feature set. The message has one line per mistake, at most 50."""

    def __init__(self, file: Path, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.line)
        shown = [f"{file}, {mistake}" for mistake in self.mistakes[:_SHOWN]]
        if len(mistakes) > _SHOWN:
            shown.append(f"and {len(mistakes) - _SHOWN:,} more mistakes")
        super().__init__("\n".join(shown))


def read_feature_set(file: Path) -> FeatureSet:
    """The feature set in a file. Raises LoadError if it cannot be read as TOML, FeatureSetRefused with all mistakes."""
    text = _text(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LoadError(f"{file} is not TOML: {error}.") from error
    except RecursionError:
        raise LoadError(f"{file} is not a feature set: its arrays are nested too deeply.") from None
    lines = TomlLines(text)
    mistakes = list(_mistakes(document, lines))
    try:
        feature_set = FeatureSet.model_validate(document)
    except ValidationError as error:
        mistakes += [mistake for details in error.errors() for mistake in _explained(details, document, lines)]
    if mistakes:
        raise FeatureSetRefused(file, mistakes)
    if mistakes := [_at(path, message, document, lines) for path, message in source_mistakes(feature_set)]:
        raise FeatureSetRefused(file, mistakes)
    _check_pipeline(file, feature_set, lines)
    return feature_set


def _text(file: Path) -> str:
    try:
        if file.is_dir():
            raise LoadError(f"{file} is a folder; name a TOML file.")
        if file.stat().st_size > _LARGEST:
            raise LoadError(f"{file} is larger than {_LARGEST >> 20} MB, the limit of a feature set.")
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise LoadError(f"There is no file {file}.") from None
    except UnicodeDecodeError:
        raise LoadError(f"{file} is not UTF-8 text, and so is not TOML.") from None
    except OSError as error:
        raise LoadError(f"{file} cannot be read: {error.strerror}.") from error


def _features(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = document.get("feature")
    return [one if isinstance(one, dict) else {} for one in given] if isinstance(given, list) else []


def _mistakes(document: Mapping[str, Any], lines: TomlLines) -> Iterator[Mistake]:
    """Yield conflicts of names: between features, with columns of files, and with tables."""
    if (name := document.get("name")) in _TAKEN_NAMES:
        yield Mistake(lines.line(("name",)), "name", f"the name {name} is taken: {_TAKEN_NAMES[name]}")
    seen: dict[str, str] = {}
    columns = dict(_columns(document))
    for position, feature in enumerate(_features(document)):
        given = feature.get("name")
        if not isinstance(given, str):
            continue
        path, folded = ("feature", position, "name"), given.lower()
        if folded in RESERVED:
            yield Mistake(lines.line(path), "feature.name", f"the name {given} is reserved")
        elif folded in seen:
            other = "" if seen[folded] == given else f" ({seen[folded]} differs in case only)"
            yield Mistake(lines.line(path), "feature.name", f"the name {given} is there twice{other}")
        elif folded in columns:
            yield Mistake(lines.line(path), "feature.name", f"{given} is the column of {columns[folded]}")
        seen.setdefault(folded, given)


def _columns(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the columns of files that are not features, in lower case, and the key that declares each."""
    entity, outcome = document.get("entity", {}), document.get("outcome")
    if isinstance(entity, dict):
        yield str(entity.get("column", "id")).lower(), "entity.column"
        yield str(entity.get("group", "")).lower(), "entity.group"
    if isinstance(outcome, dict):
        yield str(outcome.get("column", "status")).lower(), "outcome.column"


def _at(path: tuple[str | int, ...], message: str, document: Mapping[str, Any], lines: TomlLines) -> Mistake:
    key = ".".join(str(part) for part in path if isinstance(part, str))
    return Mistake(lines.line(path), _named(key, path, document), message)


def _explained(details: ErrorDetails, document: Mapping[str, Any], lines: TomlLines) -> Iterator[Mistake]:
    path = tuple(details["loc"])
    if path == ("feature",) and (_of_names(details["msg"]) or (details["type"] == "too_short" and _features(document))):
        return  # _mistakes reports it with its line
    message = _message(details, document)
    yield _at(_mentioned(path, message, lines), message, document, lines)


def _of_names(message: str) -> bool:
    return "two features have the name" in message or "is reserved" in message


def _mentioned(path: tuple[str | int, ...], message: str, lines: TomlLines) -> tuple[str | int, ...]:
    """The path of the key that a message about a table names, if the text has this key; otherwise `path`."""
    words = [word.strip(",.:'\"") for word in message.split()] + (list(_BOUNDS) if "bounds" in message else [])
    return next(((*path, word) for word in words if lines.has((*path, word))), path)


def _named(key: str, path: tuple[str | int, ...], document: Mapping[str, Any]) -> str:
    """The key, followed by the name of its feature if it has one."""
    if len(path) < 2 or path[0] != "feature" or not isinstance(path[1], int):
        return key
    features = _features(document)
    name = features[path[1]].get("name") if path[1] < len(features) else None
    return f"{key} of {name}" if isinstance(name, str) and len(path) > 2 and path[2:] != ("name",) else key


_KEYS: dict[str, tuple[str, ...]] = {
    "": tuple(field.alias or name for name, field in FeatureSet.model_fields.items()),
    "entity": tuple(Entity.model_fields),
    "outcome": tuple(Outcome.model_fields),
    "source": tuple(Source.model_fields),
    "columns": tuple(SourceColumn.model_fields),
    "feature": tuple(Feature.model_fields),
    "reasons": tuple(FeatureTexts.model_fields),
}


def _message(details: ErrorDetails, document: Mapping[str, Any]) -> str:
    path, context = tuple(details["loc"]), details.get("ctx", {})
    kind = "too_many" if details["type"] == "too_long" and path == ("feature",) else details["type"]
    messages: dict[str, Callable[[], str]] = {
        "extra_forbidden": lambda: _unknown_key(path),
        "missing": lambda: "is missing",
        "literal_error": lambda: f"is none of {context['expected']}",
        "value_error": lambda: str(context["error"]),
        "too_many": lambda: f"{len(_features(document)):,} features; at most {MAX_FEATURES} are allowed",
        "string_pattern_mismatch": lambda: _form(path),
    }
    return messages.get(kind, lambda: details["msg"][0].lower() + details["msg"][1:])()


def _form(path: tuple[str | int, ...]) -> str:
    if path == ("name",):
        return "a name of a set is a lower-case letter and up to 47 of a-z, 0-9 and _"
    if path[-1] == "name":
        return "a name of a feature is a letter and up to 62 letters, digits and _"
    if "categories" in path:
        return "a category holds no NUL character"
    return "a code is a capital letter and up to 79 of A-Z, 0-9 and _"


def _unknown_key(path: tuple[str | int, ...]) -> str:
    tables = [part for part in path[:-1] if part in _KEYS]
    known = _KEYS[str(tables[-1]) if tables else ""]
    close = get_close_matches(str(path[-1]), known, 1)
    return "unknown key" + (f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}")


def _check_pipeline(file: Path, feature_set: FeatureSet, lines: TomlLines) -> None:
    source = feature_set.source
    if source is None:
        return
    if Path(source.pipeline).name != source.pipeline:
        message = "the pipeline is a file beside this one; give its name, without a folder"
        raise FeatureSetRefused(file, [Mistake(lines.line(("source", "pipeline")), "source.pipeline", message)])
    if not file.with_name(source.pipeline).is_file():
        message = f"there is no file {source.pipeline} beside this one"
        raise FeatureSetRefused(file, [Mistake(lines.line(("source", "pipeline")), "source.pipeline", message)])
