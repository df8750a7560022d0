"""Whether a key could be guessed: one that a person made up, or that repeats what it began with.

No rule can tell that a key is random. This one counts the characters that do not follow from those
before them: a run (``4567``), a row of the keyboard, a common word, a date and a piece that stood
there before count as one character each. A key that was made by a generator keeps nearly all of
its characters; one of words, rows and repeats is left with a few. Text of words that are not in
the list is known by its pairs of letters.
"""

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

LEAST: Final = 16  # characters that do not follow from others
SHORTEST: Final = 3  # a run, a repeat or a word
SHORTEST_ROW: Final = 4  # a part of a row
_STEPS: Final = range(-2, 3)  # between the characters of a run: "9876", "0000", "aceg"
_ROWS: Final = (
    *("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm"),
    *("azertyuiop", "qsdfghjklm", "wxcvbn", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p"),
    *("qazwsxedcrfvtgbyhnujmikolp", "!@#$%^&*()", '!"#$%&/()=', "147258369", "963852741"),
    *("31415926535897932384626433832795", "27182818284590452353602874713526"),
)
# What people write where a key belongs: placeholders, names of the thing, favourite passwords,
# the most frequent words of English and some German, French and Spanish ones.
_WORDS: Final = frozenset(
    """
    abcd access account active admin administrator again aktiv alias alle alpha also amazon amor and
    andrew angel anna anything apache apple application april are auch august auth aws babe baby
    backend banana baseball batman battery beach beautiful beef been before best beta better between
    bitte black blank blue bonjour book boss brown browser business buster but butter cafe call
    cambiame camera can canada captain casa case cat celery change changeme changethis charlie
    cheese chelsea chicken chocolate city clave client cloud coffee come company complex computer
    config configuration contrasena cookie correct could country cow cowboy credential credentials
    crypt crypto customer daniel data database david day dead deadbeef december default delta demo
    deploy deployment dev develop developer development diamond did different digital docker dog
    dogs domain donald dont down dragon dummy each early earth eins elastic email empty encrypt
    encryption enter entropy entry environment ever every example eyes fake family fast february
    field file film find first fish flask flower football for forever fox frank freedom friday
    friend from fuck game general generate generated george get ginger girl give gold golden good
    google great green group guest guitar had hand hannah happy harley has have head heart heaven
    hello help her here hidden high him his hola holiday home honey horse host hot hotmail house how
    hunter iloveyou important indeed init insecure inside instance internal internet into ipsum its
    jackson january jennifer jessica jesus job john jordan joshua july jumps june just keep kein key
    killer king kitten know kubernetes lakers land large last later lazy left legend lemon let
    letmein liberty life light like limit line linux list little live local localhost lock login
    long look lord lorem lots love lovely lucky machine made mail mailer make man many march master
    matrix matthew may maybe mein memory mercedes message michael michelle midnight mike mind
    minecraft monday money monkey monster more morning mother much music must mustang mysecret name
    need network never new news next nginx nicht nicole night ninja nobody none not nothing
    notsecret november now number october oder office old one online only open operator orange other
    our out over own pass passphrase passw passwd password passwort people pepper person pet phoenix
    phrase place placeholder please point pokemon postgres pretty prince princess private prod
    production project public purple put queen question quick rabbit rainbow random ranger ready
    real really red redis replace replaceme right river robert root rotate run said salt same sample
    saturday say school secret secretkey secure security see selenium sendgrid september server
    service session shadow she should silver simple since six sky small smith smtp soccer some
    something son special spring square staging staple star start state still stop storm street
    string strong stuff summer sun sunday sunshine super superman supersecret support sure system
    take team tell temp temporary ten test testing text than thank that the their them then there
    these they thing think this thomas those three through thunder thursday tiger time today todo
    token tomorrow top trustno trustnoone try tuesday turtle two type ubuntu under unique unsafe
    until upon use user username using value vault very view wait want was water way webmail
    wednesday welcome well were what whatever when where which while white who whole why will
    william win winner winter with without wizard woman wonder word work worker world would write
    wrong yankees year yellow yes yesterday you young your yours yoursecret yourself zero zoo zwei
    """.split()
)
_LEET: Final = str.maketrans("@401!35$7", "aaoiiesst")
# The hundred most frequent pairs of letters in English: two of three in a text, one of seven in
# letters by chance.
_PAIRS: Final = frozenset(
    """
    th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de se le
    sa si ar ve ra ld ur ro ri io me ne ic co ll li ch ce ma ta el la hm no om ns ec ho tr ac be di
    ca un ot us ly ge wa pe so em tt ut ss wh ad ol ee ul ai rs ow po fo id ie im sh ev ts ay pr ir
    il os pa ct am ig
    """.split()
)
_TEXT_LETTERS: Final = 0.9  # the share of letters, without separators, that makes a key a text
_TEXT_PAIRS: Final = 0.5  # of its pairs in the list
_SEPARATORS: Final = str.maketrans("", "", "-_. ")
_DATE: Final = re.compile(
    r"(?:19|20)\d\d(?:[-/.]?(?:0[1-9]|1[0-2])(?:[-/.]?(?:0[1-9]|[12]\d|3[01]))?)?"
    r"|(?:0[1-9]|[12]\d|3[01])[-/.]?(?:0[1-9]|1[0-2])[-/.]?(?:19|20)\d\d"
)


def is_guessable(key: str) -> bool:
    """Whether *key*, or the text that it is the base64 or hex of, has little that surprises."""
    return any(surprises(text) < LEAST or _is_text(text) for text in (key, *_decoded(key)))


def surprises(key: str) -> int:
    """How many characters of *key* do not follow from those before them.

    Neither as they stand, nor in two keys of which it takes a character each in turn ("a1b2c3").
    """
    text = key.lower().translate(_SEPARATORS)
    return min(_surprises(text), _surprises(text[::2]) + _surprises(text[1::2]))


def _surprises(text: str) -> int:
    plain = text.translate(_LEET)
    count = at = 0
    while at < len(text):
        at += _predicted(text, plain, at) or 1
        count += 1
    return count


def _is_text(key: str) -> bool:
    text = key.lower().translate(_SEPARATORS)
    letters = sum(c.isalpha() for c in text)
    pairs = [text[at : at + 2] for at in range(len(text) - 1)]
    known = sum(pair in _PAIRS for pair in pairs)
    return letters > _TEXT_LETTERS * len(text) and known > _TEXT_PAIRS * len(pairs)


def _predicted(text: str, plain: str, at: int) -> int:
    """How many characters from *at* on count as one."""
    return max(
        _run(text, at),
        _repeat(text, at),
        _row(text, at),
        _word(plain, at),
        found.end() - at if (found := _DATE.match(text, at)) else 0,
    )


def _run(text: str, at: int) -> int:
    end = at + 1
    if end < len(text) and (step := ord(text[end]) - ord(text[at])) in _STEPS:
        while end < len(text) and ord(text[end]) - ord(text[end - 1]) == step:
            end += 1
    return end - at if end - at >= SHORTEST else 0


def _repeat(text: str, at: int) -> int:
    """The longest piece from *at* on that begins before *at* too, forwards or backwards."""
    length = 0
    while at + length < len(text) and text.find(text[at : at + length + 1], 0, at + length) >= 0:
        length += 1
    while at + length < len(text) and text[at : at + length + 1][::-1] in text[:at]:
        length += 1
    return length if length >= SHORTEST else 0


def _row(text: str, at: int) -> int:
    if text[at : at + SHORTEST_ROW] not in _ROW_PARTS:
        return 0
    length = SHORTEST_ROW
    while at + length < len(text) and any(text[at : at + length + 1] in row for row in _BOTH_WAYS):
        length += 1
    return length


_BOTH_WAYS: Final = (*_ROWS, *(row[::-1] for row in _ROWS))
_ROW_PARTS: Final = frozenset(
    row[at : at + SHORTEST_ROW] for row in _BOTH_WAYS for at in range(len(row) - SHORTEST_ROW + 1)
)


def _word(plain: str, at: int) -> int:
    words = _BY_START.get(plain[at : at + SHORTEST], ())
    return max((len(word) for word in words if plain.startswith(word, at)), default=0)


_BY_START: Final = {
    start: [word for word in _WORDS if word.startswith(start)]
    for start in {word[:SHORTEST] for word in _WORDS}
}


def _decoded(key: str) -> Iterator[str]:
    """The printable texts that it stands for."""
    for octets in _octets(key):
        if octets and all(32 <= octet < 127 for octet in octets):
            yield octets.decode("ascii")


def _octets(key: str) -> Iterator[bytes]:
    padded = key.rstrip("=") + "=" * (-len(key.rstrip("=")) % 4)
    with suppress(ValueError):
        yield base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    with suppress(ValueError):
        yield bytes.fromhex(key)
