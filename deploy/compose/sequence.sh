#!/bin/sh
# Makes the key of the decision log at the first start, and sequences.
set -eu
[ -e "$DECISION_LOG_DIR/key" ] || python -m decision_log new-key
echo "verifier key of the decision log: $(python -m decision_log key)"
exec python -m decision_log sequence
