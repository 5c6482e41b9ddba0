"""What the UCI repository offers as German credit, of invented applicants."""

import zipfile
from pathlib import Path

import numpy as np

import from_uci
from db_init.feature_sets.reading import read_feature_set

FEATURE_SET = Path(__file__).parents[2] / "examples" / "german_credit" / "feature_set.toml"


def invented_lines(seed: int = 3) -> list[str]:
    """Of german.data."""
    random = np.random.default_rng(seed)
    features = {feature.name: feature for feature in read_feature_set(FEATURE_SET).features}
    lines = []
    for _ in range(from_uci.ROWS):
        cells = []
        for name, words in from_uci.FEATURES.items():
            if words:
                cells.append(str(random.choice(list(words))))
            else:
                least = int(features[name].minimum or 0)
                cells.append(str(random.integers(least, int(features[name].maximum or least + 60) + 1)))
        lines.append(" ".join([*cells, "2" if random.random() < 0.3 else "1"]))
    return lines


def write_german_credit(folder: Path) -> None:
    """The archive as it is downloaded, and german_credit.csv made of it."""
    archive = folder / "statlog+german+credit+data.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("german.data", "\n".join(invented_lines()))
    from_uci.main([str(archive), str(folder / "german_credit.csv")])
