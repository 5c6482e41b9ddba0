#!/bin/sh
# Publishes vectors to the table that is named, or to the emulator, says that it has (the health check asks), and goes on with it.
set -eu
online_store=$DB_INIT_ONLINE_STORE
. /compose/online_store.sh
export DB_INIT_ONLINE_STORE="$online_store"
python -m db_init publish --create-table
touch /tmp/published
exec python -m db_init publish --follow
