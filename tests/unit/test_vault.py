"""What the real vault does beyond the contract of its port."""

import pytest

from adapters.fernet_vault import FernetVault
from domain.errors import SecretUnreadable
from tests.contract.vault_suite import KEY, OTHER_KEY


def test_the_same_secret_is_sealed_differently_each_time():
    vault = FernetVault(KEY)
    assert vault.seal("password", context="a") != vault.seal("password", context="a")


def test_the_error_names_whether_the_row_or_the_key_differs_and_what_to_do():
    sealed = FernetVault(KEY).seal("password", context="account:3")
    with pytest.raises(SecretUnreadable, match="account:4 was sealed for another row"):
        FernetVault(KEY).open(sealed, context="account:4")
    with pytest.raises(SecretUnreadable, match="SECRET_KEY_PREVIOUS"):
        FernetVault(OTHER_KEY).open(sealed, context="account:3")


def test_an_empty_key_is_no_key():
    with pytest.raises(ValueError, match="secret key"):
        FernetVault("")
