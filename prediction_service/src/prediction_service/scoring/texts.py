"""The codes and sentences of reasons: declared by the feature set, or made by default."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from math import floor
from typing import Literal

from shared_schemas import Feature

Bounds = Literal["two_decimals", "exact"]
"""How sentences write bounds. Two decimals may contradict a value near a bound; only old versions use them."""

_PLACEHOLDER = re.compile(r"\{(low|high|value)\}")


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a feature: two codes that never change their meaning, and a sentence for each form of range."""

    code: str
    missing_code: str
    at_most: str
    between: str
    at_least: str
    exactly: str
    value_is: str
    any: str
    missing: str
    stale: str


def texts_of(inputs: Sequence[Feature]) -> tuple[Texts, ...]:
    """The texts of each feature, in order. A code that is not declared is the name of the feature in capitals."""
    codes = {_code(feature) for feature in inputs}
    return tuple(_texts(feature, codes) for feature in inputs)


def version_of(texts: Sequence[Texts]) -> str:
    """The version of the texts: the first 12 hexadecimal digits of a SHA-256 over all codes and sentences."""
    return sha256(repr(tuple(texts)).encode()).hexdigest()[:12]


def _code(feature: Feature) -> str:
    declared = feature.reasons.code if feature.reasons else None
    return declared or feature.name.upper()


def _texts(feature: Feature, codes: set[str]) -> Texts:
    code = _code(feature)
    missing_code = f"{code}_MISSING" if f"{code}_MISSING" not in codes else f"{code}_VALUE_MISSING"
    defaults = {"code": code, "missing_code": missing_code, **_sentences(feature)}
    declared = feature.reasons.model_dump(exclude_none=True) if feature.reasons else {}
    return Texts(**defaults | declared)


def _sentences(feature: Feature) -> dict[str, str]:
    subject = feature.description.strip().rstrip(".").replace("{", "(").replace("}", ")")
    unit = f" {feature.unit}" if feature.unit else ""
    if feature.type == "flag":
        bounds = {"at_most": "no", "between": "yes or no", "at_least": "yes", "exactly": "no"}
    else:
        above = "{low}%s or more" if feature.whole else "more than {low}%s"
        bounds = {
            "at_most": f"{{high}}{unit} or less",
            "between": f"between {{low}} and {{high}}{unit}",
            "at_least": above % unit,
            "exactly": f"{{low}}{unit}",
        }
    sentences = {form: f"{subject}: {words}." for form, words in bounds.items()}
    unknown = f"{subject}: not on record, or what is on record is not valid."
    stale = f"{subject}: what is on record is too old."
    return sentences | {"stale": stale, "value_is": f"{subject}: {{value}}.", "any": f"{subject}.", "missing": unknown}


def _filled(sentence: str, **words: str) -> str:
    return _PLACEHOLDER.sub(lambda found: words[found[1]], sentence)


def category_sentence(texts: Texts, category: str) -> str:
    return _filled(texts.value_is, value=category)


def sentence(
    feature: Feature, texts: Texts, above: float | None, up_to: float | None, written: Bounds = "two_decimals"
) -> str:
    """The sentence for values x with above < x <= up_to; None is no bound.

    Bounds of a counted feature are whole numbers: (3.5, 14.5] loans is "between 4 and 14". A lower bound below the
    feature's minimum is left out.
    """
    least = feature.minimum if feature.minimum is not None else feature.exclusive_minimum
    if feature.type == "flag":
        least = 0
    if above is not None and least is not None and above < least:
        above = None
    if above is None and up_to is None:
        return texts.any
    low, high = _whole(above, up_to) if feature.whole else (_number(above, written), _number(up_to, written))
    if up_to is None:
        form = texts.at_least
    elif above is None:
        form = texts.exactly if feature.type == "integer" and _is_least(feature, up_to) else texts.at_most
        low = high
    else:
        form = texts.exactly if low == high else texts.between
    return _filled(form, low=low, high=high)


def _number(bound: float | None, written: Bounds) -> str:
    """A bound as text. "exact": with the fewest decimals, at least two, that read back as the same number."""
    if written == "two_decimals":
        return f"{bound or 0:.2f}"
    number = Decimal(repr(bound or 0.0))
    return f"{number:f}" if int(number.as_tuple().exponent) < -2 else f"{number:.2f}"


def _is_least(feature: Feature, up_to: float) -> bool:
    """Whether the minimum is the only whole number up to this bound."""
    return feature.minimum is not None and floor(up_to) == feature.minimum


def _whole(above: float | None, up_to: float | None) -> tuple[str, str]:
    low = 0 if above is None else floor(above) + 1
    # A cell without a whole number in it is never used, but it needs a sentence too.
    return str(low), str(max(floor(up_to or 0), low) if above is not None else floor(up_to or 0))
