#!/bin/sh
# Trains the first model, where there is none yet.
set -eu
if [ ! -e /models/current ] && [ ! -e /models/champion ]; then
  exec python -m prediction_service.train /training/rows.parquet --model-dir /models --repeats 1
fi
