"""What every Vault must do. Subclass `VaultContract` and implement how one is made.

class TestMyVault(VaultContract):
    def vault(self, secret_key, previous=None): ...
"""

import pytest

from application.ports.system import Vault
from domain.errors import SecretUnreadable

KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"


class VaultContract:
    """The contract of `application.ports.system.Vault`."""

    def vault(self, secret_key: str, previous: str | None = None) -> Vault:
        raise NotImplementedError

    @pytest.mark.parametrize("secret", ["pa\0ss wörd", "", "x" * 1000])
    def test_a_sealed_secret_opens_for_the_row_it_was_sealed_for(self, secret: str) -> None:
        vault = self.vault(KEY)
        sealed = vault.seal(secret, context="account:3")
        assert vault.open(sealed, context="account:3") == secret

    def test_it_opens_in_another_process_with_the_same_key(self) -> None:
        sealed = self.vault(KEY).seal("password", context="account:3")
        assert self.vault(KEY).open(sealed, context="account:3") == "password"

    def test_the_secret_does_not_stand_in_what_is_stored(self) -> None:
        assert b"password" not in self.vault(KEY).seal("password", context="account:3")

    @pytest.mark.parametrize("context", ["account:4", "account:33", "account:", ""])
    def test_t_sec_2_a_secret_copied_to_another_row_does_not_open(self, context: str) -> None:
        vault = self.vault(KEY)
        sealed = vault.seal("password", context="account:3")
        with pytest.raises(SecretUnreadable):
            vault.open(sealed, context=context)

    def test_a_context_that_could_be_read_as_another_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match="NUL"):
            self.vault(KEY).seal("password", context="account:3\0x")

    def test_t_sec_2_another_key_does_not_open_it(self) -> None:
        sealed = self.vault(KEY).seal("password", context="account:3")
        with pytest.raises(SecretUnreadable):
            self.vault(OTHER_KEY).open(sealed, context="account:3")

    @pytest.mark.parametrize("sealed", [b"", b"not sealed at all", b"\xff\x00", b"account:3\0x"])
    def test_what_was_never_sealed_does_not_open(self, sealed: bytes) -> None:
        with pytest.raises(SecretUnreadable):
            self.vault(KEY).open(sealed, context="account:3")

    def test_no_octet_can_be_changed(self) -> None:
        vault = self.vault(KEY)
        sealed = vault.seal("password", context="account:3")
        for place in (0, len(sealed) // 2, len(sealed) - 5):
            changed = bytearray(sealed)
            changed[place] ^= 1
            with pytest.raises(SecretUnreadable):
                vault.open(bytes(changed), context="account:3")

    def test_the_previous_key_still_opens_and_the_new_one_seals(self) -> None:
        old = self.vault(KEY).seal("password", context="account:3")
        rotating = self.vault(OTHER_KEY, KEY)
        assert rotating.open(old, context="account:3") == "password"
        new = rotating.seal("password", context="account:3")
        assert self.vault(OTHER_KEY).open(new, context="account:3") == "password"

    def test_t_auth_3_a_fingerprint_is_the_same_for_the_same_secret_and_key_alone(self) -> None:
        one, other = self.vault(KEY), self.vault(OTHER_KEY)
        assert one.fingerprints("token") == self.vault(KEY).fingerprints("token")
        assert one.fingerprints("token") != one.fingerprints("token2")
        assert one.fingerprints("token") != other.fingerprints("token")
        assert b"token" not in one.fingerprints("token")[0]

    def test_a_fingerprint_shows_whether_it_was_made_with_the_newest_key(self) -> None:
        old, both = self.vault(OTHER_KEY), self.vault(KEY, OTHER_KEY)
        newest, previous = both.fingerprints("token")
        assert previous == old.fingerprints("token")[0]
        assert (both.is_current(newest), both.is_current(previous)) == (True, False)
        assert old.is_current(previous)
