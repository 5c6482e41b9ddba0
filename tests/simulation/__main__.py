"""PYTHONPATH=tests python -m simulation {bars,delays,years,calibration} [--clients FILE] [--scale S]

The simulations behind monitoring's promise: what is measured in full takes minutes. Exits 1 if a bar does not hold.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from simulation import bars, tables
from simulation.populations import Population, generated, read

YEARS = {30: 100, 300: 200, 3_000: 100, 30_000: 10}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("bars", "delays", "years", "calibration"))
    parser.add_argument(
        "--clients", type=Path, help="CSV of the online store's layout; without it clients are generated"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full number of seeds")
    options = parser.parse_args()
    population = read(options.clients) if options.clients else generated(30_000, 1)
    if options.what == "bars":
        return _bars(population, options.scale)
    for line in _tables(options.what, population, options.scale):
        print(line, flush=True)
    return 0


def _bars(population: Population, scale: float) -> int:
    broken = 0
    for bar in bars.all_bars(population, scale):
        print(f"{'holds ' if bar.holds else 'BROKEN'} {bar.name}: {bar.measured}", flush=True)
        broken += not bar.holds
    return int(broken > 0)


def _tables(what: str, population: Population, scale: float) -> Iterator[str]:
    if what == "delays":
        return tables.delays(population, max(2, round(200 * scale)))
    if what == "years":
        return tables.false_years(population, {volume: max(2, round(n * scale)) for volume, n in YEARS.items()})
    return tables.calibration_delays(population, max(2, round(200 * scale)))


if __name__ == "__main__":
    sys.exit(main())
