"""The policy's files: applied, kept, followed, and not followed where they are bad."""

from pathlib import Path

import pytest

from prediction_service.errors import PolicyUnavailable
from prediction_service.policy import commands
from prediction_service.policy.folder import apply_policy, known_policy
from prediction_service.policy.followed import Policies
from prediction_service.policy.rules import DEFAULT_POLICY, PolicyRefused

FIRST = b'name = "own"\nversion = "1"\ndecline_from = 0.3\n'
SECOND = b'name = "own"\nversion = "2"\ndecline_from = 0.4\n'


def followed(model_dir: Path) -> Policies:
    policies = Policies(model_dir, lambda: None)
    policies.look()
    return policies


def test_without_a_file_the_default_decides(tmp_path: Path) -> None:
    policies = followed(tmp_path)
    assert (policies.current, policies.refused) == (DEFAULT_POLICY, None)


def test_an_applied_policy_is_followed_and_the_earlier_one_stays_known(tmp_path: Path) -> None:
    policies = followed(tmp_path)
    first = apply_policy(tmp_path, FIRST)
    policies.look()
    assert policies.current == first
    apply_policy(tmp_path, SECOND)
    policies.look()
    assert policies.current.version == "own-2"
    assert known_policy(tmp_path, "own-1", first.sha256) == first
    assert known_policy(tmp_path, "own-1", "0" * 64) is None
    assert known_policy(tmp_path, "../own-1", first.sha256) is None


@pytest.mark.parametrize("content", [b"nonsense", FIRST.replace(b"0.3", b"7"), None, FIRST.replace(b"0.3", b"0.5")])
def test_the_last_good_policy_decides_on_while_its_file_is_bad_or_gone(tmp_path: Path, content: bytes | None) -> None:
    apply_policy(tmp_path, FIRST)
    policies = followed(tmp_path)
    file = tmp_path / "policy.toml"
    file.unlink() if content is None else file.write_bytes(content)
    policies.look()
    assert policies.current.version == "own-1"
    assert policies.current.rules.decline_from == 0.3
    assert policies.refused is not None
    apply_policy(tmp_path, SECOND)
    policies.look()
    assert policies.current.version == "own-2"
    assert not policies.refused


def test_nothing_is_decided_where_the_first_policy_found_is_bad(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_bytes(b"nonsense")
    policies = followed(tmp_path)
    with pytest.raises(PolicyUnavailable):
        _ = policies.current


def test_a_policy_that_was_applied_and_is_gone_is_not_taken_for_none(tmp_path: Path) -> None:
    apply_policy(tmp_path, FIRST)
    (tmp_path / "policy.toml").unlink()
    with pytest.raises(PolicyUnavailable):
        _ = followed(tmp_path).current


def test_a_version_has_one_content(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_bytes(FIRST)
    assert commands.apply(tmp_path, file).version == "own-1"
    assert commands.apply(tmp_path, file).version == "own-1"
    file.write_bytes(FIRST.replace(b"0.3", b"0.5"))
    with pytest.raises(PolicyRefused, match="raise its version"):
        commands.apply(tmp_path, file)
    assert any(line.startswith("* own-1") for line in commands.listed(tmp_path))
