"""The files of policies in the registry folder.

MODEL_DIR/policy.toml                  the policy in force; without this file, the default policy
MODEL_DIR/policies/NAME-VERSION.toml   every policy that was applied, for replay; never changed
"""

import os
from contextlib import suppress
from pathlib import Path

from prediction_service.policy.rules import DEFAULT_POLICY, PolicyRefused, ServedPolicy, read_policy

_LONGEST = 100_000
"""Maximum size of a policy file in bytes."""


def policy_in_force(model_dir: Path) -> ServedPolicy | None:
    """The policy in `policy.toml`, or None if there is no file. Raises PolicyRefused."""
    try:
        policy = _read(model_dir / "policy.toml")
    except FileNotFoundError:
        return None
    kept = kept_policy(model_dir, policy.version)
    if kept is not None and kept.sha256 != policy.sha256:
        raise PolicyRefused(f"{policy.version} was applied with other content before: raise its version")
    return policy


def kept_policy(model_dir: Path, version: str) -> ServedPolicy | None:
    """The policy of this name and version, or None if it was never applied. Raises PolicyRefused.

    The default policy always counts as applied.
    """
    if version == DEFAULT_POLICY.version:
        return DEFAULT_POLICY
    if Path(version).name != version:
        return None
    try:
        return _read(model_dir / "policies" / f"{version}.toml")
    except FileNotFoundError:
        return None


def known_policy(model_dir: Path, version: str, digest: str) -> ServedPolicy | None:
    """The policy of this version whose file has this SHA-256, kept or in force; None if there is none."""
    with suppress(PolicyRefused):
        kept = kept_policy(model_dir, version)
        found = kept if kept is not None else policy_in_force(model_dir)
        return found if found is not None and (found.version, found.sha256) == (version, digest) else None
    return None


def kept_versions(model_dir: Path) -> list[str]:
    try:
        return sorted(file.stem for file in (model_dir / "policies").glob("*.toml"))
    except OSError:
        return []


def apply_policy(model_dir: Path, content: bytes) -> ServedPolicy:
    """Keep a policy and put it in force; atomic for readers. Raises PolicyRefused."""
    policy = read_policy(content)
    kept = kept_policy(model_dir, policy.version)
    if kept is not None and kept.sha256 != policy.sha256:
        raise PolicyRefused(f"{policy.version} was applied with other content before: raise its version")
    (model_dir / "policies").mkdir(parents=True, exist_ok=True)
    _write(model_dir / "policies" / f"{policy.version}.toml", content)
    _write(model_dir / "policy.toml", content)
    return policy


def _read(file: Path) -> ServedPolicy:
    try:
        if file.stat().st_size > _LONGEST:
            raise PolicyRefused("it is too long")
        return read_policy(file.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PolicyRefused(f"it cannot be read ({error.strerror})") from error


def _write(file: Path, content: bytes) -> None:
    fresh = file.with_name(f".{file.name}-{os.getpid()}")
    with fresh.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
