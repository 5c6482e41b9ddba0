#!/bin/sh
# Brings the schema up to date and fills an empty installation: with FEATURE_SET and FEATURES, if they are given, and with a
# generated sample of clients otherwise.
set -eu
python -m db_init migrate
if [ -s /own/feature_set.toml ]; then
  python -m db_init apply /own/feature_set.toml
fi
if [ ! -e /training/rows.parquet ]; then
  if [ -s /own/features.csv ]; then
    python -m db_init import-features /own/features.csv
  else
    python -m db_init sample --clients "$SAMPLE_CLIENTS" --seed 7 --out /tmp/loans.csv
    python -m db_init load /tmp/loans.csv
  fi
  python -m db_init export-training /training/rows.parquet --rows last
fi
