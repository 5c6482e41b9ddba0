"""What a service process has loaded at its start is left out of garbage collections."""

import subprocess
import sys

_SCRIPT = """
import gc
from service_kit.service import spare_collections
before = gc.get_freeze_count()
spare_collections()
print(before, gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 1_000, gc.get_threshold()[0])
"""


def test_what_is_loaded_is_not_gone_through_again() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True", "20000"]
