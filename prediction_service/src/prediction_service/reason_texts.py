"""The sentences that reasons are given in: read from the package, and checked before one can be used."""

import re
from functools import cache
from importlib.resources import files
from math import floor
from string import Formatter
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared_schemas import FEATURE_NAMES, FEATURES

_SUBJECT = {
    "nb_previous_loans": "number of earlier loans",
    "avg_amount_loans_previous": "average amount of",
    "age": "age",
    "years_on_the_job": "time in",
    "flag_own_car": "car",
}
_VAGUE = re.compile(
    r"\b(scor\w*|qualif\w*|standards?|polic(y|ies)|criteri\w*|requirements?|insufficient|unsatisfactory|inadequate|too|"
    r"credit|risk\w*|models?|systems?|other|various|internal|fail\w*|did not|does not|achieve\w*)\b",
    re.IGNORECASE,
)
_PLACEHOLDERS = {"at_most": {"high"}, "between": {"low", "high"}, "at_least": {"low"}, "exactly": {"low"}}
_WHOLE = {feature.name for feature in FEATURES if feature.type == "integer"}
_FLAGS = {feature.name for feature in FEATURES if feature.unit == "flag"}
_ELSEWHERE = "{low} and {high} stand only where a sentence has them"


class FeatureTexts(BaseModel):
    """Of one feature: two codes that never change their meaning, and a sentence for each form of region."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[A-Z][A-Z_]{1,39}$")
    missing_code: str = Field(pattern=r"^[A-Z][A-Z_]{1,39}$")
    at_most: str
    between: str
    at_least: str
    exactly: str
    any: str
    missing: str

    def sentences(self) -> dict[str, str]:
        return self.model_dump(exclude={"code", "missing_code"})


class ReasonTexts(BaseModel):
    """Every sentence that a client can be told.

    Each names the feature that it is about, and none is vague: "did not achieve a qualifying score" and its like are no
    statement of reasons (12 CFR 1002.9(b)(2)). Texts that break this are not read at all. Raised whenever a code or a
    sentence changes: `version`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(min_length=1)
    features: dict[str, FeatureTexts]

    @model_validator(mode="after")
    def _specific(self) -> Self:
        if self.features.keys() != set(FEATURE_NAMES):
            raise ValueError("there are texts for other features than those of the model")
        codes = [code for texts in self.features.values() for code in (texts.code, texts.missing_code)]
        if len(set(codes)) != len(codes):
            raise ValueError("a code stands for two reasons")
        for name, texts in self.features.items():
            for form, sentence in texts.sentences().items():
                if defect := _defect(name, form, sentence):
                    raise ValueError(f"the sentence {name}.{form} {defect}")
        return self


def _defect(name: str, form: str, sentence: str) -> str | None:
    used = {field for _, field, _, _ in Formatter().parse(sentence) if field is not None}
    if used != (set() if name in _FLAGS else _PLACEHOLDERS.get(form, set())):
        return f"has the wrong placeholders: {_ELSEWHERE}"
    if _SUBJECT[name] not in sentence.lower():
        return f"does not name its subject: {_SUBJECT[name]}"
    if _VAGUE.search(sentence):
        return "is vague or judges: it says what is on record and nothing else"
    return None


@cache
def reason_texts() -> ReasonTexts:
    """Those of the package. Raises ValueError for texts that must not be used."""
    return ReasonTexts.model_validate_json(files("prediction_service").joinpath("reason_texts.json").read_bytes())


def sentence(name: str, texts: FeatureTexts, above: float | None, up_to: float | None) -> str:
    """What is said of values x with above < x <= up_to; None is no bound.

    In whole numbers where the feature is counted: (3.5, 14.5] of loans is "between 4 and 14".
    """
    above = None if above is not None and above < 0 else above  # no value is below 0
    if above is None and up_to is None:
        return texts.any
    low, high = _whole(above, up_to) if name in _WHOLE else (f"{above or 0:.2f}", f"{up_to or 0:.2f}")
    if up_to is None:
        form = texts.at_least
    elif above is None:
        form = texts.exactly if high == "0" and name not in _FLAGS else texts.at_most
        low = high
    else:
        form = texts.exactly if low == high else texts.between
    return form.format(low=low, high=high)


def _whole(above: float | None, up_to: float | None) -> tuple[str, str]:
    low = 0 if above is None else floor(above) + 1
    # Where no whole number lies between, the cell is never asked for; it has its words all the same.
    return str(low), str(max(floor(up_to or 0), low))
