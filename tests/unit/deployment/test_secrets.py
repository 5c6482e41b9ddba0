"""The secrets of an installation on many machines: the services can read them, and each value is used once."""

import ast

from service_kit.access.keys import digest_of, parse_keys
from unit.deployment.rendered import ROOT, of_kind, secrets


def test_the_services_can_read_the_api_keys() -> None:
    made = of_kind(secrets(), "Secret")
    keys = {key.name: key for key in parse_keys(made["api-keys"]["stringData"]["api-keys"])}
    assert keys["operator"].scopes == {"admin"}
    assert keys["operator"].digest == digest_of(made["operator-key"]["stringData"]["key"].encode())
    between = made["prediction-service"]["stringData"]["prediction_service_feature_service_api_key"]
    assert keys["prediction-service"].scopes == {"features:read"}
    assert keys["prediction-service"].digest == digest_of(between.encode())


def test_no_two_secrets_are_the_same_and_none_is_made_twice() -> None:
    first, second = (
        {name: each["stringData"] for name, each in of_kind(secrets(), "Secret").items()} for _ in range(2)
    )
    values = [value for content in first.values() for key, value in content.items() if key != "username"]
    assert len(set(values)) == len(values) == 11
    assert min(map(len, values)) >= 32
    again = [value for content in second.values() for key, value in content.items() if key != "username"]
    assert not set(values) & set(again)


def test_the_script_needs_nothing_but_python() -> None:
    tree = ast.parse((ROOT / "deploy/make_secrets.py").read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"hashlib", "json", "secrets", "subprocess", "sys"}
