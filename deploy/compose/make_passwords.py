"""Makes each password of this installation, once, in the folders of those that need it."""

import secrets
from pathlib import Path

OWNER, READER = Path("/run/owner"), Path("/run/reader")
LOG_OWNER, LOG_WRITER, SEQUENCER, MONITOR = (
    Path("/run", f"decision_{role}") for role in ("owner", "writer", "sequencer", "monitor")
)
PASSWORDS = (
    [OWNER / "db_init_database_password"],
    [OWNER / "db_init_reader_password", READER / "feature_service_database_password"],
    [OWNER / "db_init_writer_password", READER / "feature_service_writer_database_password"],
    [LOG_OWNER / "decision_log_database_password"],
    [LOG_OWNER / "decision_log_writer_password", LOG_WRITER / "prediction_service_decision_log_database_password"],
    [
        LOG_OWNER / "decision_log_eraser_password",
        LOG_WRITER / "prediction_service_decision_log_eraser_database_password",
    ],
    [LOG_OWNER / "decision_log_sequencer_password", SEQUENCER / "decision_log_database_password"],
    [LOG_OWNER / "decision_log_monitor_password", MONITOR / "prediction_service_monitor_database_password"],
)

for files in PASSWORDS:
    if not all(file.exists() for file in files):
        password = secrets.token_urlsafe(32)
        for file in files:
            file.unlink(missing_ok=True)
            file.write_text(password)
            file.chmod(0o444)
