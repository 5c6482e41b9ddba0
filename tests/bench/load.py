"""Sends load with wrk to one address and reads what it measured, and what the servers spent meanwhile."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# Requests are made on the fly, so that every id is as likely as any other and no two runs share an order.
_SCRIPT = """
local ids = {}
%(ids)s
local head = "%(method)s %(path)s"
local template = '%(body)s'
function init() math.randomseed(os.time() * 1000003 + %(seed)d) end
local function id() return ids[math.random(#ids)] end
local function body()
  if template ~= "" then return (template:gsub("ID", id())) end
  local drawn = {}
  for i = 1, %(batch)d do drawn[i] = id() end
  return '{"client_ids":[' .. table.concat(drawn, ",") .. "]}"
end
function request()
  if %(batch)d == 0 and template == "" then return head .. id() .. "%(query)s HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n" end
  local content = body()
  return head .. " HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nContent-Type: application/json\\r\\nContent-Length: " .. #content .. "\\r\\n\\r\\n" .. content
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


class LoadError(Exception):
    """The load generator could not do its work."""


@dataclass(frozen=True)
class Target:
    """What to ask. `ids`: a list of client ids, or their number where they are 1 to n.

    A POST has `batch` ids in its body, or `body` with an id in the place of ID; anything else is a GET.
    """

    port: int
    path: str
    ids: Sequence[int] | int
    batch: int = 0
    query: str = ""
    body: str = ""


@dataclass(frozen=True)
class Measured:
    """Latencies in milliseconds; `cpu`: microseconds a request, by server; `failed`: answers that were no success."""

    per_second: float
    p50: float
    p99: float
    cpu: Mapping[str, float]
    failed: int
    requests: int


def wrk_path() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise LoadError(
            "The benchmark sends its load with wrk: apt install wrk (Debian, Ubuntu), brew install wrk (macOS)."
        )
    return found


def _cpu_seconds(server: psutil.Process) -> dict[tuple[int, float], float]:
    """Of a process and all below it."""
    spent = {}
    for process in (server, *server.children(recursive=True)):
        try:
            times = process.cpu_times()
            spent[process.pid, process.create_time()] = times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return spent


def _difference(before: Mapping[tuple[int, float], float], after: Mapping[tuple[int, float], float]) -> float:
    return sum(seconds - before.get(process, 0.0) for process, seconds in after.items())


def measure(
    target: Target, connections: int, seconds: int, servers: Mapping[str, psutil.Process], seed: int = 0
) -> Measured:
    ids = (
        f"setmetatable(ids, {{__index = function(_, n) return n end, __len = function() return {target.ids} end}})"
        if isinstance(target.ids, int)
        else f"ids = {{{','.join(map(str, target.ids))}}}"
    )
    method = "POST" if target.batch or target.body else "GET"
    script = _SCRIPT % {
        "ids": ids, "method": method, "path": target.path, "batch": target.batch, "query": target.query, "seed": seed,
        "body": target.body,
    }  # fmt: skip
    if isinstance(target.ids, int):
        script = script.replace("ids[math.random(#ids)]", f"math.random({target.ids})")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        before = {name: _cpu_seconds(server) for name, server in servers.items()}
        command = [
            wrk_path(), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", file.name, f"http://127.0.0.1:{target.port}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 30)
        after = {name: _cpu_seconds(server) for name, server in servers.items()}
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    if found is None or not int(found[1]):
        raise LoadError(f"wrk got no answer from {target.path}: {done.stdout} {done.stderr}")
    requests, microseconds, failed, p50, p99, _ = map(int, found.groups())
    cpu = {name: _difference(before[name], after[name]) / requests * 1e6 for name in servers}
    return Measured(requests / microseconds * 1e6, p50 / 1000, p99 / 1000, cpu, failed, requests)


def pgbench(program: Path, socket_dir: str, database: str, ids: Sequence[int], connections: int, seconds: int) -> float:
    """Single-row SELECTs a second, prepared, over the Unix socket."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        # Ids are dense enough: a miss costs what a hit costs.
        file.write(f"\\set id random({min(ids)}, {max(ids)})\nSELECT * FROM online_features WHERE client_id = :id;\n")
        file.flush()
        command = [
            str(program), "-n", "-M", "prepared", "-c", str(connections), "-j", "1", "-T", str(seconds), "-f", file.name,
            "-h", socket_dir, "-U", "postgres", database,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None:
        raise LoadError(f"pgbench said: {done.stdout}")
    return float(found[1])


def fsyncs(program: Path, folder: Path) -> float:
    """How often a second this disk makes 8 kB durable, as PostgreSQL's own tool measures it."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        done = subprocess.run(
            [program, "--secs-per-test=1", f"--filename={place}/fsync"], check=True, capture_output=True, text=True
        )
    [first, *_] = re.findall(r"^\s+fdatasync\s+([0-9.]+) ops/sec", done.stdout, re.MULTILINE)
    return float(first)
