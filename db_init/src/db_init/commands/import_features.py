"""The command `import-features FILE`: loads precomputed vectors into the history and the online store."""

import argparse
from pathlib import Path

from db_init.commands.arguments import add_report, add_wait
from db_init.progress import progress, say
from db_init.settings import Settings

WHAT = "load precomputed vectors into the history and the online store"
EPILOG = (
    "Columns: the client id, every feature of the set in force, the outcome, and optionally event_timestamp (default: "
    "the time of the import). An empty cell is null. Lines that cannot be used are kept in the table quarantine."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_wait(parser)
    parser.add_argument("file", type=Path, metavar="VECTORS", help="CSV or Parquet file")
    parser.add_argument(
        "--partial",
        action="store_true",
        help="leave features without a column in the file unchanged; otherwise a missing column is an error",
    )
    add_report(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    from db_init.files.reading import check_readable, scan  # noqa: PLC0415
    from db_init.loading.import_features import import_features  # noqa: PLC0415
    from db_init.loading.report import Report, printed  # noqa: PLC0415
    from db_init.shards import connected, due  # noqa: PLC0415

    def what() -> str:
        check_readable(arguments.file)
        return f"import-features {'partial ' if arguments.partial else ''}{scan(arguments.file).digest}"

    report = Report()
    for share in due(settings, what, say):
        with connected(settings, share.shard) as connection, progress() as steps:
            imported = import_features(
                connection,
                arguments.file,
                share,
                memory=settings.memory,
                steps=steps,
                say=say,
                partial=arguments.partial,
            )
        report.add(imported)
    print(printed(report, arguments.report))
