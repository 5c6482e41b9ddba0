"""Runs in a container: a replica of both services that prints what it is asked and misbehaves where the query says so."""

import json
import re
import socketserver
import threading
import time


class Replica(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while line := self.rfile.readline().decode("latin-1"):
            headers = {}
            while (field := self.rfile.readline().decode("latin-1").strip()) != "":
                name, _, value = field.partition(":")
                headers[name.lower()] = value.strip()
            self.rfile.read(int(headers.get("content-length", 0)))
            if "mark=" in line:
                print(line, flush=True)
            if "break" in line:
                return
            if found := re.search(r"sleep=([0-9.]+)", line):
                time.sleep(float(found[1]))
            body = json.dumps({"path": line.split()[1], "headers": headers}).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512


def main() -> None:
    for port in (8001, 8002):
        threading.Thread(target=Server(("0.0.0.0", port), Replica).serve_forever).start()


if __name__ == "__main__":
    main()
