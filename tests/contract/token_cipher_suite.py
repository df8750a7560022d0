"""What every TokenCipher must do. Subclass `TokenCipherContract` and implement how one is made."""

import pytest

from application.ports.system import TokenCipher

KEY = bytes(range(64))
OTHER_KEY = bytes(reversed(range(64)))


class TokenCipherContract:
    """The contract of `application.ports.system.TokenCipher`."""

    def cipher(self) -> TokenCipher:
        raise NotImplementedError

    @pytest.mark.parametrize("plain", [b"\x00", b"ada@example.org", b"x" * 400])
    def test_what_was_sealed_opens_with_the_same_key(self, plain: bytes) -> None:
        sealed = self.cipher().seal(plain, key=KEY)
        assert self.cipher().open(sealed, key=KEY) == plain

    def test_a_seal_is_the_same_each_time(self) -> None:
        first, second = [self.cipher().seal(b"ada", key=KEY) for _ in range(2)]
        assert first == second

    def test_a_seal_is_short(self) -> None:
        assert len(self.cipher().seal(b"x" * 100, key=KEY)) <= 116

    def test_what_was_sealed_does_not_stand_in_the_seal(self) -> None:
        assert b"ada" not in self.cipher().seal(b"ada@example.org", key=KEY)

    def test_another_key_does_not_open_it(self) -> None:
        assert self.cipher().open(self.cipher().seal(b"ada", key=KEY), key=OTHER_KEY) is None

    @pytest.mark.parametrize("sealed", [b"", b"x", b"\0" * 15, b"\0" * 16, b"x" * 400])
    def test_what_was_never_sealed_does_not_open(self, sealed: bytes) -> None:
        assert self.cipher().open(sealed, key=KEY) is None

    def test_no_octet_can_be_changed(self) -> None:
        sealed = self.cipher().seal(b"ada@example.org", key=KEY)
        for place in range(len(sealed)):
            changed = bytearray(sealed)
            changed[place] ^= 1
            assert self.cipher().open(bytes(changed), key=KEY) is None

    @pytest.mark.parametrize("key", [b"", KEY[:32], KEY + b"x"])
    def test_a_key_of_another_length_is_refused(self, key: bytes) -> None:
        with pytest.raises(ValueError, match="64"):
            self.cipher().seal(b"ada", key=key)
        with pytest.raises(ValueError, match="64"):
            self.cipher().open(b"x" * 30, key=key)
