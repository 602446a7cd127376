"""The vault: secrets come back with any of the keys, and with no other; the key file is the owner's alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from connector.core.errors import WrongSetting
from connector.runtime.vault import KEY_FILE, Vault, open_vault

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@given(text=st.text())
def test_what_is_sealed_comes_back_and_cannot_be_read(text: str) -> None:
    vault = Vault([NEW])
    sealed = vault.encrypt(text)
    assert vault.decrypt(sealed) == text
    assert sealed != text


def test_the_newest_key_seals_and_older_ones_still_open() -> None:
    sealed = Vault([OLD]).encrypt("hush")
    rotated = Vault([NEW, OLD]).rotate(sealed)
    assert Vault([NEW, OLD]).decrypt(sealed) == "hush"
    assert Vault([NEW]).decrypt(rotated) == "hush"


@pytest.mark.parametrize("method", ["decrypt", "rotate"])
def test_a_lost_key_is_said_so(method: str) -> None:
    sealed = Vault([OLD]).encrypt("hush")
    with pytest.raises(WrongSetting, match="none of the secret keys opens a stored secret: give the keys"):
        getattr(Vault([NEW]), method)(sealed)


def test_a_key_that_is_none_is_named_by_its_place_and_not_shown() -> None:
    with pytest.raises(WrongSetting, match="secret key 2 is not a Fernet key: found 4 characters") as caught:
        Vault([NEW, "hush"])
    assert "hush" not in str(caught.value)


def test_a_key_that_is_no_ascii_is_named_too() -> None:
    with pytest.raises(WrongSetting, match="secret key 1"):
        Vault(["鍵" * 15])


def test_the_first_start_makes_a_key_file_for_the_owner_alone_and_the_second_uses_it(tmp_path: Path) -> None:
    sealed = open_vault((), tmp_path / "data").encrypt("hush")
    file = tmp_path / "data" / KEY_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [KEY_FILE]
    assert open_vault((), tmp_path / "data").decrypt(sealed) == "hush"


def test_keys_of_the_settings_come_before_the_file(tmp_path: Path) -> None:
    assert open_vault([NEW], tmp_path).decrypt(Vault([NEW]).encrypt("hush")) == "hush"
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_rotated_by_a_new_first_line(tmp_path: Path) -> None:
    file = tmp_path / KEY_FILE
    file.touch(0o600)
    file.write_text(f"{NEW}\n{OLD}\n", "ascii")
    vault = open_vault((), tmp_path)
    assert Vault([NEW]).decrypt(vault.rotate(Vault([OLD]).encrypt("hush"))) == "hush"


def test_several_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: open_vault((), tmp_path), range(8)))
    sealed = vaults[0].encrypt("hush")
    assert [vault.decrypt(sealed) for vault in vaults] == ["hush"] * 8


def test_a_key_file_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    open_vault((), tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(WrongSetting, match="can be read by others: run chmod 600"):
        open_vault((), tmp_path)


def test_an_empty_key_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).touch(0o600)
    with pytest.raises(WrongSetting, match="is empty: put the keys back"):
        open_vault((), tmp_path)
