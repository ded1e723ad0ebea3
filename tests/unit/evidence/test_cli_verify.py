"""`tocsin verify` on real directories: its words, its exit codes, and how little it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.evidence.small_log import OTHER_SIGNER, SIGNER, a_log, an_export
from tocsin import cli_verify
from tocsin.evidence.reader import Listed

LOG = a_log()
SOUND = an_export(LOG)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A sound export on disk."""
    root = tmp_path / "export"
    for path, data in SOUND.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def test_a_sound_export_is_intact(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_verify.main(directory, SIGNER.vkey) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"intact; signed by {SIGNER.verifier.label}\n")
    for part in ("Export 0190eeee", "9 entries", "3 files", "Proved:", "Not proved:", "14 leaves"):
        assert part in said
    assert "does not hold" not in said


def test_a_key_may_come_with_the_newline_of_its_file(directory: Path) -> None:
    assert cli_verify.main(str(directory), SIGNER.vkey + "\n") == 0


def test_without_a_key_the_signer_is_not_identified(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli_verify.main(str(directory)) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"internally consistent; signer not identified: {SIGNER.verifier.key_id.hex()}"


def test_a_changed_byte_is_named_with_leaf_stream_and_position(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = directory / "entries" / "00000002.json"
    path.write_bytes(path.read_bytes().replace(b"9 h", b"8 h"))
    assert cli_verify.main(str(directory), SIGNER.vkey) == 1
    said = capsys.readouterr().out
    assert said.startswith("not intact: 1 finding\n")
    assert "entries/00000002.json (leaf 2, incident:" in said
    assert "position 2): its event or nonce was changed" in said
    assert "Proved" not in said
    assert "more;" not in said


def test_the_whole_report_comes_as_one_json_object(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "entries" / "00000002.json").unlink()
    assert cli_verify.main(str(directory), SIGNER.vkey, json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["status"] == "not intact"
    (finding,) = report["findings"]
    assert (finding["path"], finding["index"], finding["position"]) == ("entries/00000002.json", 2, 2)


def test_an_earlier_checkpoint_is_read_from_its_file(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(LOG.checkpoint(5))
    assert cli_verify.main(str(directory), SIGNER.vkey, str(kept)) == 0
    assert "continues the checkpoint of size 5" in capsys.readouterr().out
    kept.write_bytes(LOG.checkpoint(7))
    assert cli_verify.main(str(directory), SIGNER.vkey, str(kept)) == 2
    assert capsys.readouterr().out.startswith("cannot be checked against that checkpoint")
    kept.write_bytes(LOG.checkpoint(5, signer=OTHER_SIGNER))
    assert cli_verify.main(str(directory), SIGNER.vkey, str(kept)) == 1


def test_what_cannot_be_used_says_why(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello")
    for arguments, said in (
        ((str(tmp_path / "nowhere"),), "is not a directory"),
        ((str(tmp_path / "text"),), "is not a directory"),
        (("nul\0",), "unusable"),
        ((str(tmp_path / "empty"),), "not an export"),
        ((str(directory), "no key"), "not a verifier key"),
        ((str(directory), SIGNER.vkey, str(tmp_path / "nowhere")), "checkpoint file could not be read"),
        ((str(directory), SIGNER.vkey, str(tmp_path)), "checkpoint file could not be read"),
        ((str(directory), SIGNER.vkey, str(tmp_path / "text")), "checkpoint given is none"),
        ((str(directory), SIGNER.vkey, "nul\0"), "checkpoint file could not be read"),
    ):
        assert cli_verify.main(*arguments) == 2, arguments
        assert said in capsys.readouterr().out


def test_odd_things_in_the_directory_are_named_and_never_opened(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "copy").write_bytes(SOUND["seal.json"])
    (directory / "seal.json").unlink()
    (directory / "seal.json").symlink_to(tmp_path / "copy")  # the very same bytes, behind a link
    (directory / "loop").symlink_to(directory)
    os.mkfifo(directory / "pipe")  # opening it would hang
    (directory / ".hidden").write_text("x")
    (directory / "evidence" / "deep" / "deeper").mkdir(parents=True)
    (directory / "empty").mkdir()
    os.mkdir(os.fsencode(directory) + b"/\xff\x1b[2J")
    assert cli_verify.main(str(directory), SIGNER.vkey) == 1
    said = capsys.readouterr().out
    for named in (
        "seal.json: it is a symbolic link",
        "loop: it is a symbolic link",
        "pipe: it is neither a file nor a directory",
        ".hidden: this file does not belong",
        "evidence/deep: this directory does not belong",
        "empty: this directory does not belong",
        "\\udcff\\x1b[2J: this directory does not belong",
    ):
        assert f"  {named}" in said
    assert "\x1b" not in said
    assert said.startswith("not intact: 7 findings")
    assert cli_verify.main(str(directory), SIGNER.vkey, json=True) == 1
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 7


def test_a_directory_reached_by_a_link_is_read(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory)
    assert cli_verify.main(str(tmp_path / "link"), SIGNER.vkey) == 0


def test_a_long_list_is_cut_and_says_so(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(60):
        (directory / f"extra-{number:02}").touch()
    assert cli_verify.main(str(directory)) == 1
    said = capsys.readouterr().out
    assert "not intact: 60 findings" in said
    assert "extra-49" in said
    assert "extra-50" not in said
    assert "and 10 more; --json lists them all" in said


def test_a_link_or_a_pipe_that_takes_the_place_of_a_file_after_listing_is_refused(
    directory: Path, tmp_path: Path
) -> None:
    reader = cli_verify.read_directory(str(directory))
    assert Listed("seal.json", "file", len(SOUND["seal.json"])) in list(reader.listing())
    (tmp_path / "copy").write_bytes(SOUND["seal.json"])
    (directory / "seal.json").unlink()
    (directory / "seal.json").symlink_to(tmp_path / "copy")
    for read in (lambda: reader.read("seal.json", 10_000), lambda: reader.sha256("seal.json")):
        with pytest.raises(OSError, match=r"seal\.json"):
            read()
    (directory / "seal.json").unlink()
    os.mkfifo(directory / "seal.json")
    with pytest.raises(OSError, match="not a plain file"):
        reader.read("seal.json", 10_000)


ALONE = """
import sys

ALLOWED = sys.stdlib_module_names | {"msgspec", "cryptography", "_cffi_backend", "tocsin"}
WITHIN = ("tocsin.kernel", "tocsin.evidence", "tocsin.cli_verify")


class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED or (name != top == "tocsin" and not name.startswith(WITHIN)):
            raise ImportError(f"{name} is not there")


sys.meta_path.insert(0, Refuse())
for absent in ("sqlalchemy", "fastapi", "numpy", "tocsin.store", "tocsin.incidents", "tocsin.cli"):
    try:
        __import__(absent)
    except ImportError:
        continue
    raise SystemExit(f"{absent} could be imported, so this proves nothing")
from tocsin.cli_verify import main

raise SystemExit(main(*sys.argv[1:]))
"""


def test_it_needs_nothing_of_the_product_but_kernel_and_evidence(directory: Path, root: Path) -> None:
    def alone(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONIOENCODING": encoding}
        command = [sys.executable, "-W", "error", "-c", ALONE, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    sound = alone(str(directory), SIGNER.vkey)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.startswith("intact; signed by")
    (directory / "documents" / "report.html").write_bytes(b"changed")
    changed = alone(str(directory), SIGNER.vkey)
    assert (changed.returncode, changed.stderr) == (1, "")
    assert "documents/report.html: 'the incident for people' has 7 bytes" in changed.stdout
    (directory / "é").touch()
    poor = alone(str(directory), SIGNER.vkey, encoding="ascii")
    assert (poor.returncode, poor.stderr) == (1, "")
    assert "\\xe9: this file does not belong" in poor.stdout
