"""A feature set of 60 features, 40 numbers and 20 categories of 5 to 30 values, and a file of clients that has them."""

import csv
from pathlib import Path
from random import Random

NUMBERS = [f"number_{place}" for place in range(40)]
CATEGORIES = {f"kind_{place}": [f"value {one}" for one in range(5 + place * 25 // 19)] for place in range(20)}


def write_feature_set(file: Path) -> None:
    lines = ['name = "wide"', "[entity]", 'column = "id"', "[outcome]", 'column = "bad"']
    for name in NUMBERS:
        lines += ["[[feature]]", f'name = "{name}"', 'type = "number"', 'description = "A number."']
    for name, categories in CATEGORIES.items():
        listed = ", ".join(f'"{one}"' for one in categories)
        lines += [
            "[[feature]]",
            f'name = "{name}"',
            'type = "category"',
            f"categories = [{listed}]",
            'description = "A kind."',
        ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_clients(file: Path, clients: int) -> None:
    """Clients 1 to n; risk rises with the first number."""
    random = Random(7)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["id", *NUMBERS, *CATEGORIES, "bad"])
        for client_id in range(1, clients + 1):
            numbers = [round(random.uniform(0, 1000), 3) for _ in NUMBERS]
            kinds = [random.choice(categories) for categories in CATEGORIES.values()]
            writer.writerow([client_id, *numbers, *kinds, int(random.random() < numbers[0] / 3000)])
