#!/bin/sh
# Serves vectors from the table that is named, or from the emulator where its profile runs, or from PostgreSQL.
set -eu
online_store=$FEATURE_SERVICE_ONLINE_STORE
. /compose/online_store.sh
export FEATURE_SERVICE_ONLINE_STORE="${online_store:-postgresql}"
exec python -m feature_service
