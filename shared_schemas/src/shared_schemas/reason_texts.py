"""The sentences that explain an adverse decision, and the check that they are specific."""

import re
from string import Formatter
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_CODE = r"^[A-Z][A-Z0-9_]{1,79}\z"
_VAGUE = re.compile(
    r"internal (standards?|polic(y|ies)|criteria)|"
    r"(fail\w*|did not|does not|do not) (to )?(achieve|reach|meet|obtain)|qualifying score|"
    r"credit scoring system|(in|un)sufficient score|score (is|was) (too )?low",
    re.IGNORECASE,
)
"""Phrases that the official interpretation of 12 CFR 1002.9(b)(2) calls insufficient, because they are not specific."""

_PLACEHOLDERS = {
    "at_most": {"high"},
    "between": {"low", "high"},
    "at_least": {"low"},
    "exactly": {"low"},
    "value_is": {"value"},
}


class FeatureTexts(BaseModel):
    """Reason codes and sentences of one feature. The meaning of a code never changes. Absent fields have defaults.

    There is a sentence for each form of region. `{low}` and `{high}` stand for the bounds of the region, `{value}` for a
    category. Sentences of a flag have no placeholders.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str | None = Field(default=None, pattern=_CODE)
    missing_code: str | None = Field(default=None, pattern=_CODE)
    at_most: str | None = None
    between: str | None = None
    at_least: str | None = None
    exactly: str | None = None
    value_is: str | None = None
    any: str | None = None
    missing: str | None = None

    def codes(self) -> tuple[str, ...]:
        return tuple(code for code in (self.code, self.missing_code) if code is not None)

    def sentences(self) -> dict[str, str]:
        """The given sentences, by form."""
        return self.model_dump(exclude={"code", "missing_code"}, exclude_none=True)

    @model_validator(mode="after")
    def _specific(self) -> Self:
        for form, sentence in self.sentences().items():
            if defect := _defect(form, sentence):
                raise ValueError(f"the sentence {form} {defect}")
        return self


def _defect(form: str, sentence: str) -> str | None:
    try:
        used = {field for _, field, _, _ in Formatter().parse(sentence) if field is not None}
    except ValueError:
        return "has an unmatched brace"
    if not used <= _PLACEHOLDERS.get(form, set()):
        return "has a placeholder that this form does not have"
    if not sentence.strip():
        return "is empty"
    if _VAGUE.search(sentence):
        return "is vague: say what is on record (12 CFR 1002.9(b)(2))"
    return None
