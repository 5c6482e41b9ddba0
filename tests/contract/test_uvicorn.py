"""What the kit relies on inside uvicorn. Where one of these fails, read `service_kit.server` beside the new uvicorn."""

import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service_kit.server.direct import DirectCycle

OVERRIDDEN = {
    "connection_made": ["self", "transport"],
    "connection_lost": ["self", "exc"],
    "data_received": ["self", "data"],
    "on_message_begin": ["self"],
    "on_url": ["self", "url"],
    "on_header": ["self", "name", "value"],
    "on_headers_complete": ["self"],
    "on_body": ["self", "body"],
    "on_message_complete": ["self"],
    "on_response_complete": ["self"],
    "pause_writing": ["self"],
    "resume_writing": ["self"],
    "_start_asgi_task": ["self", "cycle", "app"],
}
ATTRIBUTES = {
    HttpToolsProtocol: ["app", "loop", "parser", "connections", "tasks", "transport", "flow", "pipeline", "headers", "cycle",
                       "scope", "root_path", "timeout_keep_alive", "expect_100_continue", "logger", "access_logger",
                       "access_log", "server_state"],
    RequestResponseCycle: ["scope", "disconnected", "keep_alive", "response_started", "response_complete", "more_body",
                           "message_event", "on_response", "default_headers"],
    FlowControl: ["read_paused", "write_paused"],
}  # fmt: skip


def test_the_installed_uvicorn_is_within_the_bound_of_the_kit() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "service_kit/pyproject.toml").read_text())["project"]
    [bound] = [line for line in project["dependencies"] if line.startswith("uvicorn")]
    least, most = (part.lstrip("<>=") for part in bound.removeprefix("uvicorn").split(","))

    def parts(text: str) -> list[int]:
        return [int(part) for part in text.split(".")]

    assert parts(least) <= parts(version("uvicorn")) < parts(most)


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_each_method_that_is_overridden_is_there_with_its_parameters(name: str) -> None:
    assert list(inspect.signature(getattr(HttpToolsProtocol, name)).parameters) == OVERRIDDEN[name]


def test_each_attribute_that_is_used_is_set() -> None:
    for owner, names in ATTRIBUTES.items():
        source = inspect.getsource(owner)
        assert [name for name in names if f"self.{name}" not in source] == []


def test_what_stands_for_a_cycle_has_what_uvicorn_looks_at_in_one() -> None:
    source = inspect.getsource(HttpToolsProtocol) + inspect.getsource(uvicorn.Server)
    looked_at = set(re.findall(r"cycle\.(\w+)", source))
    # A request that is answered directly has its own ways for these, and never gets there.
    own_ways = {"more_body", "run_asgi"}
    assert looked_at - own_ways <= {name for name in dir(DirectCycle) if not name.startswith("_")}


def test_pipelined_requests_are_put_in_at_the_left_and_taken_at_the_right() -> None:
    assert "self.pipeline.appendleft((self.cycle, app))" in inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert "self.pipeline.pop()" in inspect.getsource(HttpToolsProtocol.on_response_complete)


def test_an_answer_waits_for_its_reader_and_ends_by_calling_back() -> None:
    source = inspect.getsource(RequestResponseCycle.send)
    assert "self.flow.drain()" in source
    assert source.index("self.response_complete = True") < source.index("self.on_response()")


def test_the_server_offers_what_the_orderly_stop_overrides() -> None:
    for name in ("handle_exit", "on_tick"):
        assert callable(getattr(uvicorn.Server, name))
