"""The policy: what is refused, and which rule decides."""

import pytest

from prediction_service.policy.rules import DEFAULT_POLICY, PolicyRefused, read_policy
from prediction_service.scoring.quality import Quality

WHOLE = Quality((1.0, 2.0), [], [], [])
THRESHOLD = 0.2


def policy(text: str) -> str:
    return f'name = "own"\nversion = "3"\n{text}'


REFUSED = {
    "decline_from = 0.1\nrefer_from = 0.2": "refer_from lies above",
    "decline_from = 1.5": "^decline_from: neither a probability [^;]*$",
    "refer_from = true": "^refer_from: neither",
    "decline_from = true": "decline_from",
    'decline_from = "never"': "decline_from",
    "approve_from = 0": "approve_from",
    "refer_from = nan": "^refer_from: neither a probability [^;]*$",
    '[[refer_when]]\nfeature = "age"\nstate = ["odd"]': "state",
    '[[refer_when]]\nfeature = "age"\nstate = []': "state",
    "decline_from = ": "not TOML",
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_a_policy_that_cannot_be_meant_is_refused(text: str, reason: str) -> None:
    with pytest.raises(PolicyRefused, match=reason):
        read_policy(policy(text).encode())


@pytest.mark.parametrize("name", ["../own", "", "a b", "-", "x" * 40])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(PolicyRefused):
        read_policy(f'name = "{name}"\nversion = "1"'.encode())


@pytest.mark.parametrize(
    ("probability", "decision"), [(0.0, "approve"), (0.1999, "approve"), (0.2, "decline"), (1.0, "decline")]
)
def test_the_default_policy_declines_from_the_threshold(probability: float, decision: str) -> None:
    assert DEFAULT_POLICY.version == "default-1"
    assert DEFAULT_POLICY.rules.judge(probability, THRESHOLD, WHOLE).decision == decision


@pytest.mark.parametrize(
    ("probability", "decision", "by"),
    [(0.05, "approve", None), (0.1, "refer", "refer_from"), (0.2, "decline", "decline_from")],
)
def test_the_most_severe_rule_decides_and_is_named(probability: float, decision: str, by: str | None) -> None:
    rules = read_policy(policy("refer_from = 0.1").encode()).rules
    verdict = rules.judge(probability, THRESHOLD, WHOLE)
    assert (verdict.decision, verdict.decided_by) == (decision, by)


@pytest.mark.parametrize(
    ("failed", "stale", "state"), [([], [], "missing"), (["age"], [], "failed"), ([], ["age"], "stale")]
)
def test_a_value_is_referred_for_its_own_state_only(failed: list[str], stale: list[str], state: str) -> None:
    quality = Quality((None, 2.0), failed, ["age"], stale)
    for wanted in ("missing", "failed", "stale"):
        rules = read_policy(policy(f'[[refer_when]]\nfeature = "age"\nstate = ["{wanted}"]').encode()).rules
        verdict = rules.judge(0.0, THRESHOLD, quality)
        if wanted == state:
            assert verdict == ("refer", f"refer_when age is {state}", ("age", state))
        else:
            assert verdict.decision == "approve"
        assert rules.judge(0.5, THRESHOLD, quality).decision == "decline"


def test_what_a_policy_needs_of_the_model_is_checked_against_it() -> None:
    rules = read_policy(policy('refer_from = 0.3\n[[refer_when]]\nfeature = "age"\nstate = ["missing"]').encode()).rules
    assert rules.defect(0.4, ["age"]) is None
    assert "above decline_from" in (rules.defect(0.2, ["age"]) or "")
    assert "age" in (rules.defect(0.4, ["income"]) or "")
