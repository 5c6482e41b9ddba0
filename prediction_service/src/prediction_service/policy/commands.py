"""The commands of `python -m prediction_service policy`: check a file, apply it, list all applied policies."""

from datetime import UTC, datetime
from pathlib import Path

from prediction_service.policy.folder import apply_policy, kept_policy, kept_versions, policy_in_force
from prediction_service.policy.rules import DEFAULT_POLICY, PolicyRefused, ServedPolicy, read_policy
from prediction_service.versions.artefact import Manifest, ModelRefused, read_manifest
from prediction_service.versions.folder import version_in_role


def check(model_dir: Path, file: Path) -> ServedPolicy:
    """Return the policy of a file.

    Raises PolicyRefused if it is not valid or does not fit the champion, and OSError if the file cannot be read.
    """
    policy = read_policy(file.read_bytes())
    kept = kept_policy(model_dir, policy.version)
    if kept is not None and kept.sha256 != policy.sha256:
        raise PolicyRefused(f"{policy.version} was applied with other content before: raise its version")
    champion = _champion(model_dir)
    if champion is not None:
        inputs = [feature.name for feature in champion.inputs]
        if defect := policy.rules.defect(champion.threshold, inputs):
            raise PolicyRefused(f"{defect} ({champion.version})")
    return policy


def apply(model_dir: Path, file: Path) -> ServedPolicy:
    """Check a policy file and put it in force. Raises PolicyRefused and OSError."""
    policy = check(model_dir, file)
    if policy.version == DEFAULT_POLICY.version:
        raise PolicyRefused(f"{policy.version} is the name of the built-in policy: give it another one")
    return apply_policy(model_dir, file.read_bytes())


def listed(model_dir: Path) -> list[str]:
    """Return one line per policy; the line of the one in force begins with *."""
    try:
        in_force = policy_in_force(model_dir) or DEFAULT_POLICY
    except PolicyRefused as reason:
        return [*_lines(model_dir, None), f"policy.toml is refused: {reason}"]
    return _lines(model_dir, in_force.version)


def _lines(model_dir: Path, in_force: str | None) -> list[str]:
    names = sorted({DEFAULT_POLICY.version, *kept_versions(model_dir), *([in_force] if in_force else [])})
    return [f"{'*' if name == in_force else ' '} {name:<40} {_applied(model_dir, name)}".rstrip() for name in names]


def _applied(model_dir: Path, name: str) -> str:
    try:
        moment = (model_dir / "policies" / f"{name}.toml").stat().st_mtime
    except OSError:
        return (
            "built in"
            if name == DEFAULT_POLICY.version
            else "not kept: apply it, so that its decisions can be replayed"
        )
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


def _champion(model_dir: Path) -> Manifest | None:
    version = version_in_role(model_dir, "champion")
    try:
        return read_manifest(model_dir / version) if version else None
    except ModelRefused:
        return None
