"""Attacks on services of its own, with a healthy caller beside them: `PYTHONPATH=tests python -m bench.attack`.

Prints the healthy caller's p99 during each attack beside that without one, and the memory of the service afterwards. The
healthy caller asks for the vector of a client, or for a prediction, with a key.
"""

import argparse
import multiprocessing
import resource
import selectors
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from multiprocessing.synchronize import Event as Stop
from pathlib import Path
from typing import cast

import psutil

from bench import servers
from local_stack.postgres import running_postgres
from running import Running, service
from service_kit.access.keys import digest_of, new_key

_CALLERS = 600
_READERS = 700
_LARGE = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
_KEYLESS = b"GET /online_feature_store/client_id=%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
_CHUNKED = (
    b"POST /online_feature_store/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
)

Attack = Callable[[int, Stop], None]


def _connect(port: int, stack: ExitStack, buffer: int | None = None) -> socket.socket:
    connection = stack.enter_context(socket.socket())
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(2)
    connection.connect(("127.0.0.1", port))
    return connection


def never_reading(port: int, stop: Stop) -> None:
    """Connections with six pipelined requests each for a large file, and no reader."""
    with ExitStack() as stack:
        for _ in range(_READERS):
            _connect(port, stack, 2048).sendall(_LARGE * 6)
        stop.wait()


def trailers(port: int, stop: Stop) -> None:
    """20 MB of trailers to a request without a key, again and again."""
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(1000))
    while not stop.is_set():
        with ExitStack() as stack:
            connection = _connect(port, stack)
            try:
                connection.sendall(_CHUNKED)
                for _ in range(20):
                    connection.sendall(fields)
            except OSError:
                continue


def without_key(port: int, stop: Stop) -> None:
    """Connections that ask without a key, and again as soon as they are answered."""
    with ExitStack() as stack, selectors.DefaultSelector() as ready:
        for number in range(_CALLERS):
            connection = _connect(port, stack)
            connection.sendall(_KEYLESS % (number + 1))
            ready.register(connection, selectors.EVENT_READ, _KEYLESS % (number + 1))
        while not stop.is_set():
            for key, _ in ready.select(0.1):
                connection = cast("socket.socket", key.fileobj)
                try:
                    if connection.recv(65_536):
                        connection.sendall(key.data)
                        continue
                except OSError:
                    pass
                ready.unregister(connection)


def nothing(_: int, stop: Stop) -> None:
    """No attack."""
    stop.wait()


@contextmanager
def attacked(attack: Attack, port: int) -> Iterator[None]:
    # A process of its own: it must not take the time of the healthy caller.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    attacker = context.Process(target=attack, args=(port, stop))
    attacker.start()
    try:
        yield
    finally:
        stop.set()
        attacker.join()


def healthy(port: int, address: str, key: str, seconds: float) -> tuple[float, int, int]:
    """The p99 in milliseconds of a caller with a key, its requests, and those that were not answered with 200."""
    times, failed, until = list[float](), 0, time.monotonic() + seconds
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    while time.monotonic() < until:
        started = time.perf_counter()
        try:
            connection.request("GET", address, headers={"X-API-Key": key})
            answer = connection.getresponse()
            answer.read()
            failed += answer.status != 200
        except (OSError, HTTPException):
            failed += 1
            connection.close()
        times.append(time.perf_counter() - started)
        time.sleep(0.002)
    connection.close()
    return sorted(times)[int(len(times) * 0.99)] * 1000, len(times), failed


def _run(running: Running, address: str, key: str, seconds: float) -> None:
    print(f"\nGET {address}")
    print(
        "| attack | p99 ms of a healthy caller | of that without | requests | not 200 | CPU of the service, of one core | memory afterwards, MB |"
    )
    print("|---|---|---|---|---|---|---|")
    quiet = 0.0
    process = psutil.Process(running.process.pid)
    for attack in (nothing, never_reading, trailers, without_key):
        with attacked(attack, running.port):
            before = sum(process.cpu_times()[:2])
            p99, count, failed = healthy(running.port, address, key, seconds)
            cpu = (sum(process.cpu_times()[:2]) - before) / seconds
        quiet = quiet or p99
        memory = process.memory_info().rss / 1e6
        print(
            f"| {attack.__name__} | {p99:.2f} | {p99 / quiet:.2f} | {count} | {failed} | {cpu:.2f} | {memory:.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="length of each attack")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    key = new_key()
    with tempfile.TemporaryDirectory() as folder:
        keys, models = Path(folder, "keys"), Path(folder, "models")
        keys.write_text(f"name=healthy scopes=features:read,predict sha256={digest_of(key.encode()).hex()}\n")
        with running_postgres(Path(folder)) as postgres:
            url = servers.database(postgres, "sample", servers.sample(Path(folder), models))
            client_id = servers.client_ids(url)[0]
            reader = postgres.url("sample", user="feature_service")
            with service("feature_service", database_url=reader, api_keys_file=keys) as features:
                _run(features, f"/online_feature_store/client_id={client_id}", key, arguments.seconds)
                asked = {"feature_service_url": f"http://127.0.0.1:{features.port}", "feature_service_api_key": key}
                options = {"model_dir": models, "decision_log": "off", "api_keys_file": keys, **asked}
                with service("prediction_service", **options) as predictions:
                    _run(predictions, f"/credit_risk/client_id={client_id}", key, arguments.seconds)


if __name__ == "__main__":
    main()
