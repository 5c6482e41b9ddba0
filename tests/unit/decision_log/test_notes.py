"""Signed notes, checkpoints and proofs, against the examples of their specifications."""

import base64

import pytest

from decision_log.entries import commitment
from decision_log.tree import checkpoints, proofs, tlog_proof
from decision_log.tree.checkpoints import Checkpoint
from decision_log.tree.hashes import leaf_hash
from decision_log.tree.notes import COSIGNATURE, NoteRefused, Signer, Verifier, encoded, opened, split, valid_lines
from decision_log.tree.tiles import extended, range_hash

# The example of c2sp.org/signed-note.
KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""


def test_the_example_of_the_specification_verifies_and_its_key_keeps_its_form() -> None:
    verifier = Verifier.parsed(KEY)
    assert str(verifier) == KEY
    assert opened(NOTE, [verifier]) == "This is an example message.\n"


@pytest.mark.parametrize(
    "note",
    [
        NOTE.replace("example message", "exemple message"),
        NOTE.replace("Uw2QOkn8", "Uw2QOkn9"),
        NOTE.replace("example.com/foo ", "example.com/bar "),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("message.", "mess\x07age."),
        NOTE.rstrip("\n"),
        NOTE + "no signature line\n",
        NOTE.replace("aQM=", "aQN="),
        NOTE.replace("aQM=\n", "aQM=\u2028" + NOTE.split("\n\n")[1]),
        "",
    ],
)
def test_a_changed_note_is_refused(note: str) -> None:
    with pytest.raises(NoteRefused):
        opened(note, [Verifier.parsed(KEY)])


@pytest.mark.parametrize(
    "key", ["", "a+b+c", KEY.replace("530d903a", "530d903b"), KEY[:-4], "a b" + KEY, KEY + "AAAA", "\udcff" + KEY]
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(NoteRefused):
        Verifier.parsed(key)


def test_a_key_survives_being_written_and_read() -> None:
    signer = Signer.generated("localhost/decisions")
    again = Signer.parsed(signer.secret)
    assert again.verifier == signer.verifier
    assert opened(again.signed("text\n\nmore\n"), [signer.verifier]) == "text\n\nmore\n"
    with pytest.raises(NoteRefused):
        Signer.parsed(signer.secret.replace("localhost", "otherhost"))
    with pytest.raises(NoteRefused):
        Signer.generated("two words")


def test_signatures_of_others_are_ignored_and_those_asked_for_must_be_there() -> None:
    log, other = Signer.generated("log"), Signer.generated("log")
    note = log.signed("text\n") + other.line("text\n")
    assert opened(note, [log.verifier]) == "text\n"
    with pytest.raises(NoteRefused, match="has not signed"):
        opened(note, [log.verifier, Signer.generated("witness").verifier])


def test_a_cosignature_covers_its_instant() -> None:
    log, witness = Signer.generated("log"), Signer.generated("witness", COSIGNATURE)
    note = Checkpoint("log", 1, leaf_hash(b"")).signed(log)
    text, _ = split(note)
    line = witness.line(text)
    assert checkpoints.verified(note + line, log.verifier, [witness.verifier]).size == 1
    assert valid_lines(text, line, witness.verifier) == [line]
    assert valid_lines(text, Signer.generated("witness", COSIGNATURE).line(text), witness.verifier) == []
    assert valid_lines(text + "\n", line, witness.verifier) == []
    head, data = line.rsplit(" ", 1)
    later = bytearray(base64.b64decode(data))
    later[11] ^= 1
    changed = f"{head} {encoded(bytes(later))}\n"
    assert valid_lines(text, changed, witness.verifier) == []


def test_the_checkpoint_of_the_specification_is_read() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert checkpoints.parsed(text)[:2] == ("example.com/behind-the-sofa", 20_852_163)


@pytest.mark.parametrize(
    "text",
    [
        "o\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n1\nAAAA\n",
        "o\n1\n",
        "o\n1\n" + "A" * 44 + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        checkpoints.parsed(text)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    signer = Signer.generated("log")
    with pytest.raises(NoteRefused, match="another log"):
        checkpoints.verified(Checkpoint("other", 0, leaf_hash(b"")).signed(signer), signer.verifier)


SALT, RECORD = b"s" * 32, b'{"decision_id":"x"}'


def made(index: int, size: int, signer: Signer) -> tlog_proof.Proof:
    entries = [b"%032d" % number for number in range(size)]
    entries[index] = commitment(SALT, RECORD)
    tiles = extended(0, {}, [leaf_hash(entry) for entry in entries])
    path = [range_hash(each, tiles) for each in proofs.inclusion(index, size)]
    note = Checkpoint("log", size, range_hash((0, size), tiles)).signed(signer)
    return tlog_proof.Proof(SALT, index, path, note)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (299, 300), (17, 300), (256, 257)])
def test_a_proof_survives_being_written_and_read(index: int, size: int) -> None:
    signer = Signer.generated("log")
    proof = made(index, size, signer)
    again = tlog_proof.parsed(str(proof))
    assert again == proof
    assert tlog_proof.verified(again, commitment(again.extra, RECORD), signer.verifier).size == size
    for entry in (commitment(SALT, RECORD + b" "), commitment(b"t" * 32, RECORD)):
        with pytest.raises(NoteRefused, match="not the one"):
            tlog_proof.verified(again, entry, signer.verifier)
    with pytest.raises(NoteRefused):
        tlog_proof.verified(again, commitment(SALT, RECORD), Signer.generated("log").verifier)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("@v1\n", "@v2\n"),
        ("index 17", "index 017"),
        ("index 17", "index -1"),
        ("extra ", "extra !"),
        ("\n\nlog", "\nlog"),
    ],
)
def test_a_malformed_proof_is_refused(before: str, after: str) -> None:
    text = str(made(17, 300, Signer.generated("log")))
    assert before in text
    with pytest.raises(NoteRefused):
        tlog_proof.parsed(text.replace(before, after, 1))


def test_a_proof_is_written_in_one_way_only() -> None:
    head, path = str(made(17, 300, Signer.generated("log"))).split("index 17\n")
    last = path[path.index("=") - 1]
    for other in (path.replace("=\n", "=\v", 1), path.replace(f"{last}=", f"{chr(ord(last) + 1)}=", 1)):
        with pytest.raises(NoteRefused):
            tlog_proof.parsed(f"{head}index 17\n{other}")


def test_a_proof_of_another_index_does_not_verify() -> None:
    signer = Signer.generated("log")
    moved = made(17, 300, signer)._replace(index=18)
    with pytest.raises(NoteRefused, match="not the one"):
        tlog_proof.verified(moved, commitment(SALT, RECORD), signer.verifier)
