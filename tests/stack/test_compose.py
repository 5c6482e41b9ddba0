"""The whole system as a user starts it: `docker compose up`, asked, hurt, healed, stopped."""

import json
import subprocess
import time

import httpx
import pytest

from stack.asking import repeatable
from stack.compose import CLIENT, Compose, docker, eventually

# Images are built, and the system is started, outside of it.
pytestmark = pytest.mark.timeout(120, func_only=True)


def test_the_front_door_answers_both_questions(compose: Compose) -> None:
    vector = compose.get(f"online_feature_store/client_id={CLIENT}").json()
    risk = compose.get(f"credit_risk/client_id={CLIENT}").json()
    assert vector["client_id"] == risk["client_id"] == CLIENT
    assert {name: vector[name] for name in risk["input_variables"]} == risk["input_variables"]
    assert compose.get("credit_risk/client_id=1").json()["type"] == "/problems/client-not-found"
    assert compose.get("credit_risk/client_id=a%20b").json()["type"] == "/problems/invalid-request"


def test_the_front_door_leads_a_browser_to_the_console_and_serves_the_documentation(compose: Compose) -> None:
    welcome = compose.get("")
    assert welcome.status_code == 302
    assert welcome.headers["location"].endswith("console/")
    assert "<main" in compose.get("console/").text
    assert "<h1" in compose.get("console/docs/how-to/keys").text
    assert "swagger-ui" in compose.get("docs").text
    for service in ("feature-service", "prediction-service"):
        assert f'"{service}"' in compose.get("docs/start.js").text
        assert compose.get(f"{service}/openapi.json").json()["paths"]
    assert compose.get("docs/assets/swagger-ui-bundle.js").status_code == 200


def test_each_service_answers_at_its_own_port(compose: Compose) -> None:
    assert compose.get(f"online_feature_store/client_id={CLIENT}", "feature-service", 8001).status_code == 200
    assert compose.get(f"credit_risk/client_id={CLIENT}", "prediction-service", 8002).status_code == 200


def test_without_the_feature_service_nobody_is_called_unknown(compose: Compose) -> None:
    compose("stop", "feature-service")
    for service, port in (("gateway", 8080), ("prediction-service", 8002)):
        base = compose.base(service, port)
        for client_id in (CLIENT, 1):
            started = time.monotonic()
            answer = httpx.get(f"{base}/credit_risk/client_id={client_id}", timeout=10)
            assert time.monotonic() - started < 3
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/feature-service-unavailable")
    assert (
        compose.get(f"online_feature_store/client_id={CLIENT}").json()["type"]
        == "/problems/feature-service-unavailable"
    )
    assert compose.get("health/ready", "prediction-service", 8002).status_code == 200
    compose("start", "feature-service")
    eventually(lambda: compose.get(f"credit_risk/client_id={CLIENT}").status_code == 200)
    assert compose.get("credit_risk/client_id=1").json()["type"] == "/problems/client-not-found"


def test_without_the_database_nobody_is_called_unknown(compose: Compose) -> None:
    compose("stop", "db")
    for path in (f"online_feature_store/client_id={CLIENT}", f"credit_risk/client_id={CLIENT}"):
        answer = compose.get(path)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
    compose("start", "db")
    eventually(lambda: compose.get(f"credit_risk/client_id={CLIENT}").status_code == 200)


@pytest.mark.parametrize(
    "order", [("feature-service", "prediction-service"), ("prediction-service", "feature-service")]
)
def test_services_restart_in_either_order(compose: Compose, order: tuple[str, str]) -> None:
    for service in order:
        compose("restart", service)
    eventually(lambda: compose.get(f"credit_risk/client_id={CLIENT}").status_code == 200)


def test_the_prediction_service_cannot_reach_the_database(compose: Compose) -> None:
    attempt = "import socket; socket.create_connection(('{}', 5432), 2)"
    ids = compose("ps", "-q", "db").split()
    networks = json.loads(
        subprocess.check_output(["docker", "inspect", *ids, "-f", "{{json .NetworkSettings.Networks}}"])
    )
    addresses = [network["IPAddress"] for network in networks.values()]
    for host in ("db", *addresses):
        with pytest.raises(AssertionError, match=r"gaierror|[Tt]imed? ?out|unreachable"):
            compose("exec", "-T", "prediction-service", "python", "-c", attempt.format(host))
        compose("exec", "-T", "feature-service", "python", "-c", attempt.format(host))


def test_our_containers_run_without_privileges(compose: Compose) -> None:
    for service in ("feature-service", "prediction-service"):
        assert compose("exec", "-T", service, "id", "-u").strip() == "10001"
        with pytest.raises(AssertionError, match="Read-only file system"):
            compose("exec", "-T", service, "touch", "/app/x")
        described = json.loads(subprocess.check_output(["docker", "inspect", *compose("ps", "-q", service).split()]))[0]
        assert described["HostConfig"]["CapDrop"] == ["ALL"]
        assert "password" not in json.dumps(described["Config"]["Env"]).lower()


def test_the_logs_hold_requests_and_no_client(compose: Compose) -> None:
    compose.get(f"credit_risk/client_id={CLIENT}")
    logs = compose("logs", "--no-color", "feature-service", "prediction-service", "gateway")
    assert '"route":"/credit_risk/client_id={client_id}"' in logs
    assert str(CLIENT) not in logs


def test_it_stops_and_comes_back_with_its_data(compose: Compose) -> None:
    before = repeatable(compose.get(f"credit_risk/client_id={CLIENT}").json())
    running = compose.containers()
    compose("stop")
    codes = docker("inspect", "-f", "{{.Config.Image}} {{.State.ExitCode}}", *running).splitlines()
    compose("down")
    compose("up", "-d", "--wait")
    assert [line for line in codes if not line.endswith(" 0")] == []
    assert repeatable(compose.get(f"credit_risk/client_id={CLIENT}").json()) == before
