"""The benchmark: starts the real services on this machine and prints one table. It asserts nothing.

All rows are taken in turn, round by round, in one run; each cell is the median of the rounds. Absolute figures move with
the machine; ratios within one run are what counts.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench import gateway, million, partitions, peers, servers, shards
from bench.hop import measure_hop
from bench.load import LoadError, Measured, Target, fsyncs, measure, pgbench, wrk_path
from bench.loading import measure_load
from credit_default import NAMES as FEATURE_NAMES
from credit_default import SET
from emulated import CREDENTIALS, MISSING, emulator
from local_stack.decisions import running_log, running_monitor
from local_stack.postgres import _BIN as POSTGRES_PROGRAMS
from local_stack.postgres import Server, running_postgres

_CONNECTIONS = (1, 32)


@dataclass
class Row:
    """One line of the table: what is asked, which servers work for it, what was measured at each number of connections."""

    name: str
    target: Target
    servers: dict[str, psutil.Process]
    vectors: int = 1
    measured: dict[int, list[Measured]] = field(default_factory=dict)

    def median(self, connections: int, what: str) -> float:
        return float(statistics.median(getattr(found, what) for found in self.measured[connections]))

    def cpu(self, connections: int) -> str:
        rounds = self.measured[connections]
        names = rounds[0].cpu
        return ", ".join(f"{name} {statistics.median(found.cpu[name] for found in rounds):.0f}" for name in names)

    def failed(self) -> int:
        return sum(found.failed for rounds in self.measured.values() for found in rounds)


def _take(rows: list[Row], rounds: int, seconds: int) -> None:
    total = rounds * len(rows) * len(_CONNECTIONS)
    done = 0
    for number in range(rounds):
        for row in rows:
            for connections in _CONNECTIONS:
                done += 1
                print(f"\r{done}/{total} {row.name:<40}", end="", file=sys.stderr, flush=True)
                measure(row.target, connections, 1, row.servers, number)  # connections and caches warm
                found = measure(row.target, connections, seconds, row.servers, number)
                row.measured.setdefault(connections, []).append(found)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)


def _print(rows: list[Row]) -> None:
    first = rows[0]
    print(
        "| what answers | req/s, 1 conn | p50 / p99 ms | req/s, 32 conns | of the limit | p50 / p99 ms | server CPU us a request (32) | failed |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        one, many = (row.median(connections, "per_second") for connections in _CONNECTIONS)
        ratio = many / first.median(32, "per_second")
        print(
            f"| {row.name} | {one:,.0f} | {row.median(1, 'p50'):.2f} / {row.median(1, 'p99'):.2f} | {many:,.0f} | {ratio:.2f} "
            f"| {row.median(32, 'p50'):.1f} / {row.median(32, 'p99'):.1f} | {row.cpu(32)} | {row.failed()} |"
        )


def _ratios(rows: dict[str, Row], select: float) -> Iterator[tuple[str, float]]:
    limit, feature, prediction = rows["limit"], rows["feature GET"], rows["prediction GET"]
    many = {name: row.median(32, "per_second") for name, row in rows.items()}
    yield "feature GET / limit", many["feature GET"] / many["limit"]
    yield "prediction GET / limit", many["prediction GET"] / many["limit"]
    yield "prediction GET / feature GET", many["prediction GET"] / many["feature GET"]
    yield "vectors a second in batches of 100 / single GETs", many["feature batch of 100"] * 100 / many["feature GET"]
    yield (
        "predictions a second in batches of 100 / single GETs",
        many["prediction batch of 100"] * 100 / many["prediction GET"],
    )
    yield (
        "feature GET as of an instant: time of a current one, 32 conns",
        many["feature GET"] / many["feature GET as of"],
    )
    yield (
        "prediction GET explained: time of a plain one, 32 conns",
        many["prediction GET"] / many["prediction GET explained"],
    )
    yield "prediction GET recorded / unrecorded, 32 conns", many["prediction GET recorded"] / many["prediction GET"]
    yield (
        "prediction GET explained and recorded / plain and unrecorded, 32 conns",
        many["prediction GET explained, recorded"] / many["prediction GET"],
    )
    for kind in ("feature GET", "prediction GET"):
        yield f"{kind}: 60 features / credit_default", many[f"{kind}, 60 features"] / many[kind]
    together = select + limit.median(1, "p50")
    yield (
        f"p50 at 1 conn: prediction GET / (SELECT {select:.3f} ms + bare hop {limit.median(1, 'p50'):.3f} ms)",
        (prediction.median(1, "p50") / together),
    )
    yield "p50 at 1 conn: feature GET / the same", feature.median(1, "p50") / together


def _machine() -> str:
    cores = os.cpu_count()
    model = (
        next(
            (line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
            platform.machine(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.machine()
    )
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores {model}, Python {platform.python_version()}"


def _rows(running: dict[str, servers.Running], postgres: psutil.Process, ids: list[int]) -> list[Row]:
    processes = {name: found.process for name, found in running.items()}
    store = {"features": processes["features"], "PostgreSQL": postgres}
    whole = {"prediction": processes["prediction"], **store}
    recording = {"recording": processes["recording"], **store}
    features, predictions, recorded = (running[name].port for name in ("features", "prediction", "recording"))
    one, risk = "/online_feature_store/client_id=", "/credit_risk/client_id="
    return [
        Row("limit", Target(running["bare"].port, "/", ids), {"bare": processes["bare"]}),
        Row("feature GET", Target(features, one, ids), store),
        Row("feature GET as of", Target(features, one, ids, query="?as_of=2020-12-31T00:00:00Z"), store),
        Row(
            "feature batch of 100", Target(features, "/online_feature_store/batch", ids, batch=100), store, vectors=100
        ),
        Row("prediction GET", Target(predictions, risk, ids), whole),
        Row("prediction GET explained", Target(predictions, risk, ids, query="?explain=true"), whole),
        Row("prediction batch of 100", Target(predictions, "/credit_risk/batch", ids, batch=100), whole, vectors=100),
        Row("prediction GET recorded", Target(recorded, risk, ids), recording),
        Row("prediction GET explained, recorded", Target(recorded, risk, ids, query="?explain=true"), recording),
        Row(
            "features by Feast's route",
            Target(features, "/feast/get-online-features", ids, body=_feast_question(f"{SET.name}_features")),
            store,
        ),
        Row(
            "prediction by Triton's route",
            Target(predictions, f"/v2/models/{SET.name}/infer", ids, body=_TENSORS),
            {"prediction": processes["prediction"]},
        ),
    ]


def _feast_question(view: str) -> str:
    names = ", ".join(f'"{view}:{name}"' for name in FEATURE_NAMES)
    return f'{{"features":[{names}],"entities":{{"client_id":[ID]}}}}'


_VALUES = (5, 116.078, 43, 1, 1)
# The id only changes what would be cached: nothing is fetched.
_COLUMNS = ",".join(
    f'{{"name":"{name}","shape":[1],"datatype":"FP64","data":[{value}]}}'
    for name, value in zip(FEATURE_NAMES, _VALUES, strict=True)
)
_TENSORS = f'{{"inputs":[{_COLUMNS}],"id":"ID"}}'


def _wide_rows(stack: ExitStack, postgres: Server, folder: Path) -> list[Row]:
    """The same services with a set of 60 features."""
    models = folder / "wide models"
    ids = servers.client_ids(servers.database(postgres, "wide", servers.wide(folder, models)))
    features = stack.enter_context(servers.feature_service(folder, postgres.url("wide", user="feature_service")))
    predictions = stack.enter_context(servers.prediction_service(folder, features.port, models))
    store = {"features": features.process, "PostgreSQL": _postmaster(folder)}
    return [
        Row("feature GET, 60 features", Target(features.port, "/online_feature_store/client_id=", ids), store),
        Row(
            "prediction GET, 60 features",
            Target(predictions.port, "/credit_risk/client_id=", ids),
            {"prediction": predictions.process, **store},
        ),
    ]


def _dynamodb_rows(stack: ExitStack, postgres: Server, folder: Path, ids: list[int]) -> list[Row]:
    """Feature GET from an emulator of DynamoDB, whose work is counted apart; none where there is no emulator."""
    if MISSING:
        print(f"without DynamoDB: {MISSING}", file=sys.stderr)
        return []
    running = stack.enter_context(emulator())
    store = f"dynamodb://bench?region=eu-central-1&endpoint={running.address}"
    published = {"DB_INIT_DATABASE_URL": postgres.url("sample"), "DB_INIT_ONLINE_STORE": store, **CREDENTIALS}
    servers.run_module("db_init", "migrate", **published)
    servers.run_module("db_init", "publish", "--create-table", "--full", **published)
    servers.run_module("db_init", "publish", "--stop", **published)
    reader = postgres.url("sample", user="feature_service")
    features = stack.enter_context(
        servers.feature_service(folder, reader, FEATURE_SERVICE_ONLINE_STORE=store, **CREDENTIALS)
    )
    counted = {"features": features.process, "emulator": psutil.Process(running.pid)}
    one = "/online_feature_store/client_id="
    return [
        Row("feature GET, DynamoDB", Target(features.port, one, ids), counted),
        Row(
            "feature batch of 100, DynamoDB",
            Target(features.port, "/online_feature_store/batch", ids, batch=100), counted, vectors=100,
        ),
    ]  # fmt: skip


# Without full names Feast finds no vector: it keeps them under these.
_PRECOMPUTED = '{"feature_service":"precomputed","entities":{"client_id":[ID]},"full_feature_names":true}'


def _peer_rows(running: dict[str, servers.Running], postgres: psutil.Process, ids: list[int]) -> list[Row]:
    tensor = (
        f'{{"inputs":[{{"name":"x","shape":[1,5],"datatype":"FP64","data":{list(_VALUES)}}}],'
        '"outputs":[{"name":"predict_proba"}],"id":"ID"}'
    )
    processes = {name: found.process for name, found in running.items()}
    feast = {"Feast": processes["Feast"], "PostgreSQL": postgres}
    mlserver = {"MLServer": processes["MLServer"]}
    return [
        Row(
            "Feast",
            Target(running["Feast"].port, "/get-online-features", ids, body=_feast_question("client_features")),
            feast,
        ),
        Row(
            "Feast, precomputed vectors",
            Target(running["Feast"].port, "/get-online-features", ids, body=_PRECOMPUTED),
            feast,
        ),
        Row(
            "MLServer, model only",
            Target(running["MLServer"].port, "/v2/models/single/infer", ids, body=tensor),
            mlserver,
        ),
        Row(
            "MLServer, model only, batching",
            Target(running["MLServer"].port, "/v2/models/batching/infer", ids, body=tensor),
            mlserver,
        ),
        Row(
            "thin app, Feast, MLServer",
            Target(running["thin app"].port, "/client_id=", ids),
            {"thin app": processes["thin app"]} | feast | mlserver,
        ),
    ]


def _peer_ratios(rows: dict[str, Row]) -> Iterator[tuple[str, float]]:
    many = {name: row.median(32, "per_second") for name, row in rows.items()}
    yield "feature GET / Feast", many["feature GET"] / many["Feast"]
    yield "features by Feast's route / Feast", many["features by Feast's route"] / many["Feast"]
    yield "feature GET / Feast, precomputed vectors", many["feature GET"] / many["Feast, precomputed vectors"]
    yield (
        "prediction GET / thin app with Feast and MLServer",
        many["prediction GET"] / many["thin app, Feast, MLServer"],
    )
    best = max(many["MLServer, model only"], many["MLServer, model only, batching"])
    yield "prediction GET / MLServer's best, which fetches nothing", many["prediction GET"] / best
    yield "prediction by Triton's route / MLServer's best", many["prediction by Triton's route"] / best


def _growth(postgres: Server, folder: Path, arguments: argparse.Namespace) -> None:
    """Feature GET on as many clients as the original had, and on many more."""
    with ExitStack() as stack:
        rows = []
        for clients in (servers.CLIENTS, arguments.growth):
            servers.database(postgres, f"clients_{clients}", servers.generated(clients))
            reader = postgres.url(f"clients_{clients}", user="feature_service")
            running = stack.enter_context(servers.feature_service(folder, reader))
            target = Target(running.port, "/online_feature_store/client_id=", clients)
            rows.append(
                Row(
                    f"feature GET, {clients:,} clients",
                    target,
                    {"features": running.process, "PostgreSQL": _postmaster(folder)},
                )
            )
        rows.insert(0, Row("limit", Target(stack.enter_context(servers.bare(folder)).port, "/", 1), {}))
        _take(rows, arguments.rounds, arguments.seconds)
    print(f"\n{_machine()}; wrk -t1, one worker, {arguments.rounds} rounds of {arguments.seconds} s\n")
    _print(rows)
    few, many = (row.median(32, "per_second") for row in rows[1:])
    print(f"\n{arguments.growth:,} clients / {servers.CLIENTS:,} clients: {many / few:.2f}")


def _shards(postgres: Server, folder: Path, arguments: argparse.Namespace) -> None:
    """Feature GET and batches from one database, and from two, each on a server of its own."""
    url = servers.database(postgres, f"clients_{servers.CLIENTS}", servers.generated(servers.CLIENTS))
    with running_postgres(folder / "second server") as other, ExitStack() as stack:
        halves = shards.divided(url, postgres, other)
        one = stack.enter_context(servers.feature_service(folder, shards.as_reader(url)))
        two = stack.enter_context(servers.feature_service(folder, " ".join(map(shards.as_reader, halves))))
        postmasters = {"PostgreSQL": _postmaster(folder), "the second": _postmaster(folder / "second server")}
        rows = [Row("limit", Target(stack.enter_context(servers.bare(folder)).port, "/", 1), {})]
        for question, batch in (("feature GET", 0), ("feature batch of 100", 100)):
            for name, running in (("one database", one), ("two databases", two)):
                path = "/online_feature_store/batch" if batch else "/online_feature_store/client_id="
                target = Target(running.port, path, servers.CLIENTS, batch=batch)
                counted = {"features": running.process} | postmasters
                rows.append(Row(f"{question}, {name}", target, counted, vectors=batch or 1))
        _take(rows, arguments.rounds, arguments.seconds)
    print(f"\n{_machine()}; wrk -t1, one worker, {arguments.rounds} rounds of {arguments.seconds} s\n")
    _print(rows)
    for single, both in ((rows[1], rows[2]), (rows[3], rows[4])):
        print(f"\n{both.name} / {single.name}: {both.median(32, 'per_second') / single.median(32, 'per_second'):.2f}")


def _front_door(postgres: Server, folder: Path, arguments: argparse.Namespace) -> None:
    """Each service directly, and the same through the gateway, with one replica and with two of each."""
    models = folder / "models"
    ids = servers.client_ids(servers.database(postgres, "sample", servers.sample(folder, models)))
    reader = postgres.url("sample", user="feature_service")
    with ExitStack() as stack:
        features = [stack.enter_context(servers.feature_service(folder, reader)) for _ in range(2)]
        predictions = [stack.enter_context(servers.prediction_service(folder, one.port, models)) for one in features]
        # As compose has it: the call between the services goes through the gateway, too.
        calls_ports = {"gateway, one replica": servers.free_port(), "gateway, two replicas": servers.free_port()}
        doors = {}
        for count, (name, calls_port) in enumerate(calls_ports.items(), 1):
            behind = [stack.enter_context(servers.prediction_service(folder, calls_port, models)) for _ in range(count)]
            doors[name] = stack.enter_context(gateway.running(folder / name, features[:count], behind, calls_port))
        print(f"\n{_machine()}; wrk -t1, {arguments.rounds} rounds of {arguments.seconds} s\n")
        print("| what is asked | connections | req/s | of direct | p50 / p99 ms | failed |\n|---|---|---|---|---|---|")
        questions = {
            "feature GET": ("/online_feature_store/client_id=", features[0]),
            "prediction GET": ("/credit_risk/client_id=", predictions[0]),
        }
        for question, (path, service) in questions.items():
            ways = {"direct": service} | {name: door for name, door in doors.items() if door}
            for connections in (32, 256):
                _print_ways(question, path, ids, ways, connections, arguments)


def _print_ways(
    question: str, path: str, ids: list[int], ways: dict[str, servers.Running], connections: int,
    arguments: argparse.Namespace,
) -> None:  # fmt: skip
    taken: dict[str, list[Measured]] = {name: [] for name in ways}
    for number in range(arguments.rounds):
        for name, way in ways.items():
            taken[name].append(measure(Target(way.port, path, ids), connections, arguments.seconds, {}, number))
    direct = statistics.median(one.per_second for one in taken["direct"])
    for name, rounds in taken.items():
        per_second, p50, p99 = (
            statistics.median(getattr(one, what) for one in rounds) for what in ("per_second", "p50", "p99")
        )
        failed = sum(one.failed for one in rounds)
        print(
            f"| {question}, {name} | {connections} | {per_second:,.0f} | {per_second / direct:.2f} | {p50:.1f} / {p99:.1f} | {failed} |",
            flush=True,
        )


_SUSTAINABLE = 64
"""Connections that keep the service busy all the time, and no more than that."""


def _overload(postgres: Server, folder: Path, arguments: argparse.Namespace) -> None:
    """Feature GET at one to fifty times the load that can be sustained, with and without load shedding."""
    clients = servers.CLIENTS
    servers.database(postgres, f"clients_{clients}", servers.generated(clients))
    reader = postgres.url(f"clients_{clients}", user="feature_service")
    print(f"\n{_machine()}; wrk -t1, closed loop, {arguments.rounds} rounds of {arguments.seconds} s\n")
    print(
        "| load | answers a second, shedding | p50 / p99 ms | refused a second | answers a second, not shedding | p50 / p99 ms |"
    )
    print("|---|---|---|---|---|---|")
    with ExitStack() as stack:
        options: tuple[dict[str, str], ...] = ({}, {"FEATURE_SERVICE_MAX_CONCURRENT_REQUESTS": "1000000"})
        running = [stack.enter_context(servers.feature_service(folder, reader, **option)) for option in options]
        targets = [Target(one.port, "/online_feature_store/client_id=", clients) for one in running]
        for times in (1, 2, 5, 10, 20, 50):
            cells = []
            for position, target in enumerate(targets):
                rounds = [
                    measure(target, times * _SUSTAINABLE, arguments.seconds, {}, n) for n in range(arguments.rounds)
                ]
                refused = statistics.median(one.per_second * one.failed / one.requests for one in rounds)
                answered = statistics.median(one.per_second for one in rounds) - refused
                p50, p99 = (statistics.median(getattr(one, what) for one in rounds) for what in ("p50", "p99"))
                cells += [f"{answered:,.0f}", f"{p50:.0f} / {p99:.0f}", *([] if position else [f"{refused:,.0f}"])]
            print(f"| {times}x ({times * _SUSTAINABLE} connections) | {' | '.join(cells)} |", flush=True)


def _load(postgres: Server, _: Path, arguments: argparse.Namespace) -> None:
    print(f"\n{_machine()}; the best of {arguments.rounds} rounds\n")
    print("| loans | load, whole process | plain COPY of its history rows | ratio | peak memory of the loader |")
    print("|---|---|---|---|---|")
    found = []
    for clients in (servers.CLIENTS, 2 * servers.CLIENTS):
        best = min((measure_load(postgres, clients) for _ in range(arguments.rounds)), key=lambda one: one.seconds)
        found.append(best)
        ratio = best.seconds / best.copy_seconds
        print(
            f"| {best.rows:,} | {best.seconds:.1f} s | {best.copy_seconds:.1f} s | {ratio:.1f} | {best.peak:,.0f} MB |"
        )
    print(f"\ntwice the clients: {found[1].seconds / found[0].seconds:.2f} times the time")


def _portfolio(postgres: Server, folder: Path, arguments: argparse.Namespace) -> None:
    print(f"\n{_machine()}\n")
    million.measure(postgres, folder, arguments.portfolio)


def _monitoring(postgres: Server, folder: Path, arguments: argparse.Namespace) -> None:
    """Prediction GET, recorded, without the monitor and while it counts what is decided, in turn."""
    models = folder / "models"
    ids = servers.client_ids(servers.database(postgres, "sample", servers.sample(folder, models)))
    taken: dict[str, list[Measured]] = {"without the monitor": [], "with the monitor": []}
    with ExitStack() as stack:
        features = stack.enter_context(servers.feature_service(folder, postgres.url("sample", user="feature_service")))
        log = stack.enter_context(running_log(postgres, folder))
        predictions = stack.enter_context(servers.prediction_service(folder, features.port, models, log))
        target = Target(predictions.port, "/credit_risk/client_id=", ids)
        for number in range(2 * arguments.rounds):
            with running_monitor(log, models, folder) if number % 4 in (1, 2) else nullcontext():
                time.sleep(_SETTLED_SECONDS)
                name = "with the monitor" if number % 4 in (1, 2) else "without the monitor"
                taken[name].append(measure(target, 32, arguments.seconds, {}, number))
    print(f"\n{_machine()}; wrk -t1, 32 connections, {arguments.rounds} rounds of {arguments.seconds} s each\n")
    print("| prediction GET recorded | req/s | p50 / p99 ms | failed |\n|---|---|---|---|")
    medians = []
    for name, rounds in taken.items():
        per_second, p50, p99 = (
            statistics.median(getattr(one, what) for one in rounds) for what in ("per_second", "p50", "p99")
        )
        medians.append(per_second)
        print(f"| {name} | {per_second:,.0f} | {p50:.1f} / {p99:.1f} | {sum(one.failed for one in rounds)} |")
    print(f"\nwith / without: {medians[1] / medians[0]:.2f}")


_SETTLED_SECONDS = 4
"""The monitor has started and has counted what was decided before."""


def _postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "postgres/cluster/postmaster.pid").read_text().split()[0]))


def _bench(postgres: Server, folder: Path, arguments: argparse.Namespace) -> None:
    models = folder / "models"
    url = servers.database(postgres, "sample", servers.sample(folder, models))
    ids = servers.client_ids(url)
    reader = postgres.url("sample", user="feature_service")
    socket_dir = str((folder / "postgres").resolve())
    with ExitStack() as stack:
        running = {"bare": stack.enter_context(servers.bare(folder))}
        running["features"] = stack.enter_context(servers.feature_service(folder, reader))
        running["prediction"] = stack.enter_context(
            servers.prediction_service(folder, running["features"].port, models)
        )
        log = stack.enter_context(running_log(postgres, folder))
        running["recording"] = stack.enter_context(
            servers.prediction_service(folder, running["features"].port, models, log)
        )
        rows = _rows(running, _postmaster(folder), ids)
        if not arguments.only or "60 features" in str(arguments.only):
            rows += _wide_rows(stack, postgres, folder)
        if not arguments.only or "DynamoDB" in str(arguments.only):
            rows += _dynamodb_rows(stack, postgres, folder, ids)
        if arguments.peers:
            started = peers.start(stack, folder, socket_dir, "sample", folder / "rows.parquet")
            rows += _peer_rows(started, _postmaster(folder), ids)
        rows = [row for row in rows if not arguments.only or row.name in (*arguments.only, "limit")]
        select = servers.select_p50(reader, ids)
        _take(rows, arguments.rounds, arguments.seconds)
        print(
            f"\n{_machine()}; {len(ids):,} clients, random ids, wrk -t1, one worker a service, {arguments.rounds} rounds of {arguments.seconds} s\n"
        )
        _print(rows)
        tps = statistics.median(
            pgbench(POSTGRES_PROGRAMS / "pgbench", socket_dir, "sample", ids, 8, arguments.seconds)
            for _ in range(arguments.rounds)
        )
        print(f"\npgbench, single-row SELECT, prepared, 8 clients, Unix socket: {tps:,.0f} a second")
        print(f"pg_test_fsync, fdatasync of 8 kB: {fsyncs(POSTGRES_PROGRAMS / 'pg_test_fsync', folder):,.0f} a second")
        if not arguments.only:
            named = {row.name: row for row in rows}
            for name, ratio in (*_ratios(named, select), *(_peer_ratios(named) if arguments.peers else ())):
                print(f"{name}: {ratio:.2f}")
            print(
                "\n| the call between the services | calls/s, 1 | us CPU | calls/s, 32 | us CPU |\n|---|---|---|---|---|"
            )
            for name, found in measure_hop(running["features"].port, ids[0], arguments.seconds):
                print(f"| {name} | " + " | ".join(f"{calls:,.0f} | {cpu:.0f}" for calls, cpu in found) + " |")
            print()
        for name, process in running.items():
            print(
                f"{name}: ready in {process.ready_seconds:.2f} s, {servers.resident_megabytes(process):.0f} MB resident"
            )


def _partitions(postgres: Server, _: Path, arguments: argparse.Namespace) -> None:
    print(f"\n{_machine()}; {arguments.partitions:,} rows; two readers of vectors, two as of an instant, two writers\n")
    partitions.measure(postgres, arguments.partitions)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement")
    parser.add_argument(
        "--folder", type=Path, default=Path(".data/bench"), help="where the generated databases are kept"
    )
    parser.add_argument("--peers", action="store_true", help="Feast and MLServer beside ours; installs them first")
    parser.add_argument(
        "--growth", type=int, metavar="CLIENTS", help="instead: feature GET on few and on this many clients"
    )
    parser.add_argument(
        "--overload", action="store_true", help="instead: feature GET at more load than can be sustained"
    )
    parser.add_argument("--load", action="store_true", help="instead: loading raw loans beside a plain COPY")
    parser.add_argument("--front-door", action="store_true", help="instead: the services through the gateway")
    parser.add_argument("--monitoring", action="store_true", help="instead: predictions with and without the monitor")
    parser.add_argument(
        "--portfolio",
        type=int,
        metavar="CLIENTS",
        help="instead: score-all of this many clients, and the audit of their log",
    )
    parser.add_argument(
        "--partitions",
        type=int,
        metavar="ROWS",
        help="instead: the migration of a history of this many rows, under load",
    )
    parser.add_argument("--shards", action="store_true", help="instead: features from one database, and from two")
    parser.add_argument("--only", action="append", help="name of a row; the limit is always taken")
    arguments = parser.parse_args()
    try:
        wrk_path()
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with running_postgres(folder) as postgres:
        modes = {
            "portfolio": _portfolio,
            "monitoring": _monitoring,
            "partitions": _partitions,
            "shards": _shards,
            "front_door": _front_door,
            "overload": _overload,
            "growth": _growth,
            "load": _load,
        }
        mode = next((what for name, what in modes.items() if getattr(arguments, name)), _bench)
        mode(postgres, folder, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
