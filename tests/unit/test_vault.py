"""The vault: sealed secrets open with their key, for their row, and in no other case."""

import pytest

from adapters.fernet_vault import FernetVault
from domain.errors import SecretUnreadable

KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"


def test_a_sealed_secret_opens_for_the_row_it_was_sealed_for():
    vault = FernetVault(KEY)
    sealed = vault.seal("pa\0ss wörd", context="account:3")
    assert vault.open(sealed, context="account:3") == "pa\0ss wörd"


def test_an_empty_secret_is_a_secret_too():
    vault = FernetVault(KEY)
    assert vault.open(vault.seal("", context="account:3"), context="account:3") == ""


def test_the_secret_does_not_stand_in_what_is_stored():
    assert b"password" not in FernetVault(KEY).seal("password", context="account:3")


def test_the_same_secret_is_sealed_differently_each_time():
    vault = FernetVault(KEY)
    assert vault.seal("password", context="a") != vault.seal("password", context="a")


def test_t_sec_2_a_secret_copied_to_another_row_does_not_open():
    vault = FernetVault(KEY)
    sealed = vault.seal("password", context="account:3")
    with pytest.raises(SecretUnreadable, match="account:4 was sealed for another row"):
        vault.open(sealed, context="account:4")


def test_a_row_whose_name_begins_like_the_right_one_does_not_open_it():
    vault = FernetVault(KEY)
    sealed = vault.seal("password", context="account:33")
    with pytest.raises(SecretUnreadable):
        vault.open(sealed, context="account:3")


def test_a_context_that_could_be_read_as_another_one_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        FernetVault(KEY).seal("password", context="account:3\0x")


def test_t_sec_2_another_key_does_not_open_it_and_the_error_says_what_to_do():
    sealed = FernetVault(KEY).seal("password", context="account:3")
    with pytest.raises(SecretUnreadable, match="SECRET_KEY_PREVIOUS"):
        FernetVault(OTHER_KEY).open(sealed, context="account:3")


@pytest.mark.parametrize("sealed", [b"", b"not sealed at all", b"\xff\x00"])
def test_what_was_never_sealed_does_not_open(sealed):
    with pytest.raises(SecretUnreadable):
        FernetVault(KEY).open(sealed, context="account:3")


def test_a_changed_octet_does_not_open():
    vault = FernetVault(KEY)
    sealed = bytearray(vault.seal("password", context="account:3"))
    sealed[20] ^= 1
    with pytest.raises(SecretUnreadable):
        vault.open(bytes(sealed), context="account:3")


def test_the_previous_key_still_opens_and_the_new_one_seals():
    old = FernetVault(KEY).seal("password", context="account:3")
    rotating = FernetVault(OTHER_KEY, KEY)
    assert rotating.open(old, context="account:3") == "password"
    new = rotating.seal("password", context="account:3")
    assert FernetVault(OTHER_KEY).open(new, context="account:3") == "password"


def test_an_empty_key_is_no_key():
    with pytest.raises(ValueError, match="secret key"):
        FernetVault("")


def test_t_auth_3_a_fingerprint_is_the_same_for_the_same_secret_and_key_alone():
    one, other = FernetVault(KEY), FernetVault(OTHER_KEY)
    assert one.fingerprints("token") == FernetVault(KEY).fingerprints("token")
    assert one.fingerprints("token") != one.fingerprints("token2")
    assert one.fingerprints("token") != other.fingerprints("token")
    assert b"token" not in one.fingerprints("token")[0]


def test_a_fingerprint_tells_whether_it_was_made_with_the_newest_key():
    old, both = FernetVault(OTHER_KEY), FernetVault(KEY, OTHER_KEY)
    newest, previous = both.fingerprints("token")
    assert previous == old.fingerprints("token")[0]
    assert (both.is_current(newest), both.is_current(previous)) == (True, False)
    assert old.is_current(previous)
