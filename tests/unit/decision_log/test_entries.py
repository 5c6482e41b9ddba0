"""Ids, commitments, and what a record must say of itself."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from decision_log.entries import Listed, _Ticks, commitment, differing, instant_of, sealed, uuid7


def test_ids_rise_and_have_the_version_and_the_time_of_rfc_9562() -> None:
    ids = [uuid7() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
    assert abs(instant_of(ids[0]) - datetime.now(UTC).timestamp()) < 5
    # The example of RFC 9562, appendix A.6.
    assert instant_of(UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")) == 0x017F22E279B0 / 1_000


def test_a_clock_that_steps_back_repeats_no_tick() -> None:
    ticks = _Ticks()
    seen = [ticks.next(nanoseconds) for nanoseconds in (10**18, 10**18, 10**18 - 3_600 * 10**9, 10**18, 10**18 + 10**9)]
    assert seen == sorted(set(seen))
    assert seen[-1] == (10**18 + 10**9) * 4096 // 10**6


def test_the_commitment_is_hmac_sha256() -> None:
    # Test case 2 of RFC 4231.
    assert commitment(b"Jefe", b"what do ya want for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


LISTED = Listed(
    UUID("01972d3c-7f10-7a3e-9b53-2f3c1d0a5e11"),
    "decision",
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    5,
    "approve",
    12,
    "v1",
    "request",
)


def said(**changes: object) -> dict[str, object]:
    document = {key: value for key, value in LISTED._asdict().items() if value is not None}
    read: dict[str, object] = json.loads(
        json.dumps(document | {"decided_at": "2026-01-02T03:04:05Z"} | changes, default=str)
    )
    return read


def test_each_entry_has_a_salt_of_its_own() -> None:
    first, second = sealed(LISTED, {"score": 12}), sealed(LISTED, {"score": 12})
    assert first.salt != second.salt
    assert first.commitment == commitment(first.salt, b'{"score":12}') != second.commitment


def test_a_record_is_json_with_its_ids_as_texts() -> None:
    made = uuid7()
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    record = sealed(LISTED, {"id": made, "other": [{"id": UUID(str(made))}], "at": noon}).record
    assert record == b'{"id":"%s","other":[{"id":"%s"}],"at":"2026-01-02T12:00:00Z"}' % (2 * (str(made).encode(),))
    with pytest.raises(TypeError):
        sealed(LISTED, {"what": object()})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decision_id", "01972d3c-7f10-7a3e-9b53-2f3c1d0a5e12"),
        ("kind", "review"),
        ("decided_at", "2026-01-02T03:04:06Z"),
        ("decided_at", "soon"),
        ("client_id", 6),
        ("decision", None),
        ("score", 13),
        ("reviews", "01972d3c-7f10-7a3e-9b53-2f3c1d0a5e13"),
    ],
)
def test_a_record_that_says_something_else_is_named(name: str, value: object) -> None:
    assert differing(LISTED, said()) is None
    assert differing(LISTED, said(decided_at="2026-01-02T04:04:05.000000+01:00")) is None
    assert differing(LISTED, said(**{name: value})) == name
