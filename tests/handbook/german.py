"""A file with the columns of the data set that examples/german_credit describes, of invented applicants."""

import csv
from pathlib import Path

import numpy as np

from db_init.feature_sets.reading import read_feature_set

FEATURE_SET = Path(__file__).parents[2] / "examples" / "german_credit" / "feature_set.toml"


def write_german_credit(file: Path, applicants: int = 1_000, seed: int = 3) -> Path:
    random = np.random.default_rng(seed)
    features = read_feature_set(FEATURE_SET).features
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", *(feature.name for feature in features), "status"])
        for number in range(1, applicants + 1):
            row: list[object] = []
            for feature in features:
                if feature.categories:
                    row.append(random.choice(list(feature.categories)))
                else:
                    least, most = int(feature.minimum or 0), int(feature.maximum or (feature.minimum or 0) + 60)
                    row.append(int(random.integers(least, most + 1)))
            writer.writerow([number, *row, int(random.random() < 0.3)])
    return file
