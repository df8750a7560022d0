"""Text from octets in the charset that a message claims.

Python's own list of codecs is no list of charsets: some of them decode to octets (base64, rot13,
zip), run an escape language (unicode_escape), take quadratic time (idna, punycode) or fail always
(undefined). Those that mail is written in are named here; for any other one UTF-8 is tried.
"""

import codecs
from typing import Final

# by the name that Python's codec gives itself
CHARSETS: Final = frozenset(
    (
        "ascii utf-8 utf-8-sig utf-7 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be"
        " iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8"
        " iso8859-9 iso8859-10 iso8859-11 iso8859-13 iso8859-14 iso8859-15 iso8859-16"
        " cp037 cp273 cp424 cp437 cp500 cp737 cp775 cp850 cp852 cp855 cp857 cp858 cp860 cp861"
        " cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp932 cp949 cp950 cp1006 cp1026 cp1125 cp1140"
        " cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258"
        " koi8-r koi8-u koi8-t kz1048 ptcp154 tis-620 hp-roman8"
        " mac-cyrillic mac-greek mac-iceland mac-latin2 mac-roman mac-turkish"
        " big5 big5hkscs gb2312 gbk gb18030 hz euc_jp euc_jis_2004 euc_jisx0213 euc_kr johab"
        " shift_jis shift_jis_2004 shift_jisx0213 iso2022_jp iso2022_jp_1 iso2022_jp_2"
        " iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext iso2022_kr"
    ).split()
)
_LONGEST_NAME: Final = 40


def text_of(octets: bytes, charset: str | None) -> str:
    """*octets* decoded; what cannot be decoded is shown as U+FFFD. Never raises."""
    codec = _codec(charset) if charset else None
    try:
        return octets.decode(codec or "utf-8", "replace")
    except ValueError:  # some codecs give up in spite of "replace"
        return octets.decode("utf-8", "replace")


def _codec(charset: str) -> str | None:
    """The codec's name if it is one of a charset."""
    name = charset.strip().lower()
    if len(name) > _LONGEST_NAME or not name.isascii() or not name.isprintable():
        return None
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return None
    return found if found in CHARSETS else None
