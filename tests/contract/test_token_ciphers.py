"""Every cipher keeps the contract of the TokenCipher port."""

from adapters.siv_cipher import SivCipher
from tests.contract.token_cipher_suite import TokenCipherContract


class TestSivCipher(TokenCipherContract):
    cipher = SivCipher
