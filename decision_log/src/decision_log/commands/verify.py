"""Offline verification of a proof, without the database, the network or the folder of the log."""

from collections.abc import Sequence
from pathlib import Path

from decision_log.entries import SALT_BYTES, commitment
from decision_log.errors import CommandFailed
from decision_log.tree import tlog_proof
from decision_log.tree.notes import NoteRefused, Verifier


def verify(record: Path, proof: Path, key: str, witnesses: Sequence[str] = ()) -> str:
    """Verify a proof and return a sentence that says what it proves. Raises CommandFailed if it does not verify."""
    try:
        document = record.read_bytes()
        parsed = tlog_proof.parsed(proof.read_bytes().decode())
        verifier = Verifier.parsed(key)
        entry = commitment(_salt(parsed.extra), document)
        checkpoint = tlog_proof.verified(parsed, entry, verifier, [Verifier.parsed(each) for each in witnesses])
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandFailed("Not verified: the proof is not text.") from error
    except NoteRefused as error:
        raise CommandFailed(f"Not verified: {error}.") from error
    return (
        f"Verified: the record is entry {parsed.index} of the log {checkpoint.origin}, "
        f"in the checkpoint of {checkpoint.size} entries."
    )


def _salt(extra: bytes) -> bytes:
    if len(extra) != SALT_BYTES:
        raise NoteRefused("the proof holds no salt")
    return extra
