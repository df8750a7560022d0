"""Every vault keeps the contract of the Vault port."""

from adapters.fakes.vault import FakeVault
from adapters.fernet_vault import FernetVault
from tests.contract.vault_suite import VaultContract


class TestFernetVault(VaultContract):
    vault = FernetVault


class TestFakeVault(VaultContract):
    vault = FakeVault
