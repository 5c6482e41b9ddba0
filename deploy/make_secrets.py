"""Makes the secrets of an installation: passwords of the databases, and the first API keys.

    python3 deploy/make_secrets.py kubernetes | kubectl create -f -
    python3 deploy/make_secrets.py swarm                              # calls `docker secret create`

Both refuse what exists already, so that no password is changed by accident.
"""

import hashlib
import json
import secrets
import subprocess
import sys

NAMESPACE = "credit-risk"


def made() -> dict[str, str]:
    """One value for each secret of an installation."""
    passwords = (
        "features_owner", "feature_service", "feature_writer", "decisions_owner", "decision_writer", "decision_eraser",
        "decision_sequencer", "decision_monitor",
    )  # fmt: skip
    keys = {"operator": "crk_" + secrets.token_urlsafe(32), "prediction-service": "crk_" + secrets.token_urlsafe(32)}
    scopes = {"operator": "admin", "prediction-service": "features:read"}
    digests = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in keys.items()}
    lines = [f"name={name} scopes={scopes[name]} sha256={digest}" for name, digest in digests.items()]
    return {name: secrets.token_urlsafe(32) for name in passwords} | {
        "api_keys": "\n".join(lines) + "\n",
        "operator_key": keys["operator"],
        "feature_service_api_key": keys["prediction-service"],
    }


def kubernetes() -> None:
    """Print the secrets, each with what one of the pods needs."""
    value = made()
    contents = {
        "features-owner": {"username": "owner", "password": value["features_owner"]},
        "decisions-owner": {"username": "owner", "password": value["decisions_owner"]},
        "feature-service": {
            "feature_service_database_password": value["feature_service"],
            "feature_service_writer_database_password": value["feature_writer"],
        },
        "prediction-service": {
            "prediction_service_decision_log_database_password": value["decision_writer"],
            "prediction_service_decision_log_eraser_database_password": value["decision_eraser"],
            "prediction_service_feature_service_api_key": value["feature_service_api_key"],
        },
        "decision-log": {"decision_log_database_password": value["decision_sequencer"]},
        "monitor": {"prediction_service_monitor_database_password": value["decision_monitor"]},
        "api-keys": {"api-keys": value["api_keys"]},
        # Mounted nowhere: for the person who runs the installation.
        "operator-key": {"key": value["operator_key"]},
    }
    items = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "type": "kubernetes.io/basic-auth" if "username" in content else "Opaque",
            "stringData": content,
        }
        for name, content in contents.items()
    ]
    json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout, indent=1)


def swarm() -> None:
    """Hand each value to the engine through a pipe, so that it stands in no list of processes. A swarm gives none back."""
    value_of = made()
    operator_key = value_of.pop("operator_key")
    for name, value in value_of.items():
        command = ["docker", "secret", "create", f"credit_risk_{name}", "-"]
        if subprocess.run(command, input=value.encode(), check=False).returncode != 0:  # noqa: S603 -- nothing of it is given
            sys.exit(1)
    sys.stdout.write(f"API key of the operator (scope admin), which is stored nowhere: {operator_key}\n")


if __name__ == "__main__":
    commands = {"kubernetes": kubernetes, "swarm": swarm}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]]()
