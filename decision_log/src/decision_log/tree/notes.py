"""Signed notes (c2sp.org/signed-note) with Ed25519 keys, and cosignatures of witnesses (c2sp.org/tlog-cosignature)."""

import base64
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = 1
COSIGNATURE = 4
_LONGEST_NOTE = 1 << 20
_MOST_SIGNATURES = 100


class NoteRefused(ValueError):
    """The text is not a signed note or key, or lacks a valid signature. The message is for a person."""


def decoded(text: str) -> bytes:
    """Decode base64. Raises NoteRefused unless the text is the canonical encoding of its bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise NoteRefused("a part is not base64") from None
    if encoded(data) != text:
        raise NoteRefused("a part is not base64: its last bits are not zero")
    return data


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _named(name: str) -> str:
    if not name or "+" in name or " " in name or not name.isprintable():
        raise NoteRefused("a key's name is one word without +")
    return name


def _key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


@dataclass(frozen=True)
class Verifier:
    """A verifier key: the name of the signer and its public key. `kind` is ED25519 (a log) or COSIGNATURE (a witness)."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        return _key_id(self.name, self.kind, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encoded(bytes([self.kind]) + self.public)}"

    @classmethod
    def parsed(cls, text: str) -> "Verifier":
        """Parse `name+hash+base64`. Raises NoteRefused."""
        name, _, rest = text.strip().partition("+")
        key_id, _, key = rest.partition("+")
        data = decoded(key)
        if len(data) != 33 or data[0] not in (ED25519, COSIGNATURE):
            raise NoteRefused("not the verifier key of an Ed25519 key: name+hash+base64")
        verifier = cls(_named(name), data[0], data[1:])
        if verifier.key_id.hex() != key_id:
            raise NoteRefused("the hash in the verifier key is not that of its name and key")
        return verifier

    def verifies(self, text: str, signature: bytes) -> bool:
        message = text.encode()
        if self.kind == COSIGNATURE:
            instant, signature = int.from_bytes(signature[:8]), signature[8:]
            message = b"cosignature/v1\ntime %d\n" % instant + message
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key and its name. `str(verifier)` is the public verifier key, `secret` the content of the key file."""

    def __init__(self, name: str, private: Ed25519PrivateKey, kind: int = ED25519) -> None:
        self._private = private
        self.verifier = Verifier(_named(name), kind, private.public_key().public_bytes_raw())

    @classmethod
    def generated(cls, name: str, kind: int = ED25519) -> "Signer":
        return cls(name, Ed25519PrivateKey.generate(), kind)

    @classmethod
    def parsed(cls, secret: str) -> "Signer":
        """Parse `PRIVATE+KEY+name+hash+base64`, the format of Go's note package. Raises NoteRefused."""
        parts = secret.strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise NoteRefused("not a private key: PRIVATE+KEY+name+hash+base64")
        data = decoded(parts[4])
        if len(data) != 33 or data[0] != ED25519:
            raise NoteRefused("not an Ed25519 private key")
        signer = cls(parts[2], Ed25519PrivateKey.from_private_bytes(data[1:]))
        if signer.verifier.key_id.hex() != parts[3]:
            raise NoteRefused("the hash in the private key is not that of its name and key")
        return signer

    @property
    def secret(self) -> str:
        data = bytes([self.verifier.kind]) + self._private.private_bytes_raw()
        return f"PRIVATE+KEY+{self.verifier.name}+{self.verifier.key_id.hex()}+{encoded(data)}"

    def line(self, text: str) -> str:
        """The signature line for a note's text."""
        message, instant = text.encode(), b""
        if self.verifier.kind == COSIGNATURE:
            now = int(time.time())
            message, instant = b"cosignature/v1\ntime %d\n" % now + message, now.to_bytes(8)
        signature = instant + self._private.sign(message)
        return f"\u2014 {self.verifier.name} {encoded(self.verifier.key_id + signature)}\n"

    def signed(self, text: str) -> str:
        return f"{text}\n{self.line(text)}"


def split(note: str) -> tuple[str, str]:
    """The text of a note, and its signature lines. Raises NoteRefused."""
    if len(note) > _LONGEST_NOTE or any(sign < " " and sign != "\n" for sign in note):
        raise NoteRefused("not a signed note")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteRefused("not a signed note")
    return text + "\n", lines


def signatures(lines: str) -> Iterator[tuple[str, str, bytes, bytes]]:
    """Yield line, name, key id and signature of each signature line. Raises NoteRefused."""
    for number, line in enumerate(lines.removesuffix("\n").split("\n") if lines else (), start=1):
        dash, _, rest = line.partition(" ")
        name, _, data = rest.partition(" ")
        signed = decoded(data)
        if dash != "\u2014" or len(signed) <= 4 or number > _MOST_SIGNATURES:
            raise NoteRefused("a signature line is malformed")
        yield f"{line}\n", _named(name), signed[:4], signed[4:]


def opened(note: str, verifiers: Sequence[Verifier], others: Sequence[Verifier] = ()) -> str:
    """The text of a note. Raises NoteRefused unless all `verifiers` have signed it.

    Signatures of `others` must verify, but need not exist. Signatures of other keys are ignored.
    """
    text, lines = split(note)
    missing = {(verifier.name, verifier.key_id): verifier for verifier in (*others, *verifiers)}
    for _, name, key_id, signature in signatures(lines):
        verifier = missing.pop((name, key_id), None)
        if verifier and not verifier.verifies(text, signature):
            raise NoteRefused(f"the signature of {name} does not verify")
    for verifier in verifiers:
        if (verifier.name, verifier.key_id) in missing:
            raise NoteRefused(f"the key {verifier.name} has not signed it")
    return text


def valid_lines(text: str, lines: str, verifier: Verifier) -> list[str]:
    """The signature lines of `verifier` that verify for this text. Raises NoteRefused if a line is malformed."""
    return [
        line
        for line, name, key_id, signature in signatures(lines)
        if (name, key_id) == (verifier.name, verifier.key_id) and verifier.verifies(text, signature)
    ]
