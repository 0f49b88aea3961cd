from pathlib import Path

import pytest

from holdfast._program.errors import CannotStart
from holdfast._program.folder import make_secret, opened, read_secret


def test_the_data_folder_is_created(tmp_path: Path) -> None:
    with opened(tmp_path / "a" / "data") as folder:
        assert folder.is_dir()


def test_a_second_program_on_the_same_folder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with (
        opened(tmp_path),
        pytest.raises(CannotStart, match=r"another `holdfast up` \(pid \d+\) uses"),
        opened(tmp_path),
    ):
        pass


def test_a_folder_is_free_again_after_its_program_ended(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with opened(tmp_path):
        pass


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(CannotStart, match="cannot be used"), opened(tmp_path / "data"):
        pass


def test_a_secret_is_made_once_and_read_afterwards(tmp_path: Path) -> None:
    first = make_secret(tmp_path / "secret")

    assert make_secret(tmp_path / "secret") == first
    assert read_secret(tmp_path / "secret") == first


def test_only_the_owner_reads_a_secret(tmp_path: Path) -> None:
    make_secret(tmp_path / "secret")

    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_two_folders_have_different_secrets(tmp_path: Path) -> None:
    assert make_secret(tmp_path / "one") != make_secret(tmp_path / "two")


def test_a_missing_secret_says_what_to_start_first(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="start `holdfast up` first"):
        read_secret(tmp_path / "secret")


@pytest.mark.parametrize("content", [b"", b"short", b"k" + b"0" * 63, b"\xff\xfe"])
def test_a_damaged_secret_is_refused_rather_than_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)

    with pytest.raises(CannotStart, match=r"damaged|cannot be read"):
        make_secret(tmp_path / "secret")
    assert (tmp_path / "secret").read_bytes() == content
