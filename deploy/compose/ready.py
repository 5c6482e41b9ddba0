"""The health check of a service's container: succeeds while the service calls itself ready."""

import http.client
import os

port = os.environ.get("FEATURE_SERVICE_PORT") or os.environ["PREDICTION_SERVICE_PORT"]
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=2)
connection.request("GET", "/health/ready")
raise SystemExit(connection.getresponse().status != 200)
