"""The words by which reports say that an address is dead, or that something else was in the way.

The rules for replies (`domain.outcome.rules_file`) come first; this is what reporting servers add
to what a server says to a client: hosts that they did not find, their own languages, their limits.
All of it is for text in which names are blanked (`domain.outcome.reply_text`).
"""

import re
from typing import Final

# what another try, or another day, may mend
PASSES: Final = re.compile(
    r"unverified|timed? ?out|timeout|refused|unreachable|try again|later|temporar|gr[ae]y-?list|"
    r"lookup|servfail|server failure|suspended|retry|expired|too long|defer|not responding|"
    r"connection (lost|dropped|closed|reset)|cannot connect|unable to connect|could not connect|"
    r"throttl|too many|too quickly|at a rate|server (is )?(unavailable|busy)",
    re.IGNORECASE,
)
FOR_NOW: Final = re.compile(
    r"temporar(y|ily) (disabled|suspended|locked|inactive|unavailable|blocked|rejected|closed)|"
    r"recipient server (is )?(unavailable|busy)|message expired|"
    r"too many (bad |invalid |unknown )?(recipients|users|addresses)",
    re.IGNORECASE,
)
UNKNOWN_HOST: Final = re.compile(
    r"host (or domain name )?(was |is |has been )?not found|(host|domain|domain name) unknown|"
    r"unknown (host|domain|mail ?host)|(bad|invalid|illegal) (destination )?(host|domain)\b|"
    r"no such (host|domain)|nxdomain|non-?existent ?(host|domain)|domain_does_not_exist|"
    r"(domain|domain name|host|hostname|mail server) (_\w+_ |\S{1,80} )?(does not|doesn't|did not) "
    r"(exist|accept (any )?(mail|e-?mail))|recipient domain must exist|"
    r"domain( name)? (_\w+_ )?((was|is|could|can) )?(not|couldn't|wasn't) (be )?found|"
    r"domain (_\w+_ )?(couldn't|wasn't|isn't) (be )?found|"
    r"(couldn't|could not|cannot|can't|unable to) (find|locate)[^.;]{0,30} (host|domain|mx|"
    r"mail exchanger|server)|"
    r"can't find domain|(no|any) (valid |mx |mail |a |dns )*(records?|mx|"
    r"hosts?)( records?)? (were |was )?(found|for)|invalid dns mx|"
    r"no mx |mx records? (was|were|could) not|point(s)? to non-?existent hosts|"
    r"null ?mx|does not accept (any )?mail|unrouteable (mail )?(domain|address)|"
    r"name or service not known|host name is unknown|unable to (look ?up|"
    r"resolve)[^.;]{0,30} (host|domain)|"
    r"lookups? failed permanently|domain lookup failed|dns hard error|invalid domain|"
    r"site is unknown|"
    r"host introuvable|domaine inconnu|domain existiert nicht|dominio inesistente",
    re.IGNORECASE,
)
# the lookup may succeed later, or it was about who sends
DNS_MAY_PASS: Final = re.compile(
    r"try again|temporar|timed? ?out|servfail|server failure|transient|retry|later|loops? back|"
    r"sender|sending|your (domain|host)|client host|reverse|ptr|helo|ehlo",
    re.IGNORECASE,
)
ABOUT_CONTENT: Final = re.compile(
    r"\b(spam|virus|phishing|malware|unsolicited|junk|bulk) ?\b", re.IGNORECASE
)
# beside a status of a dead address, which some servers give for want of a better one
ANOTHER_CAUSE: Final = re.compile(
    r"polic(y|ies)|prohibit|gr[ae]y-?list|quota|storage|disk space|blocked|black-?list|block ?list|"
    r"content (is |was )?(reject|filter|block|denied|refus)|message content|virus|\bspam|"
    r"unsolicited|"
    r"sender (address )?(is |was )?(reject|denied|block|refus|not|verif)|callout|\bhelo\b|"
    r"not (allowed|authori[sz]ed|permitted) to|members?[- ]only|only members|\bloop|too many|"
    r"timed? ?out|connection (refus|lost|drop|reset|closed|fail)|temporar|"
    r"(message|delivery|time|queue) (has )?expired|"
    r"unreachable|no route|too (big|large|long)|attachment",
    re.IGNORECASE,
)
ABOUT_SENDER: Final = re.compile(
    r"\b(callout|helo|ehlo|batv|(the )?from:? (address|domain|header))\b|"
    r"\bsender (address )?(is )?(not allowed|rejected|denied|blocked|refused)|"
    r"\bsender[^.;]{0,40}\b(unknown|not exist|invalid|not found)",
    re.IGNORECASE,
)
REJECTED: Final = re.compile(r"recipient (address )?(rejected|refused)\W{0,4}", re.IGNORECASE)
UNKNOWN_HERE: Final = re.compile(
    r"no (such )?(mail ?box|account|user|recipient)(?! (at|full))|no valid (mail ?box|account)|"
    r"bad_recipient|not a valid (user|mail ?box|address|recipient)|"
    r"unknown (local-?part|alias|virtual|relay|mail ?box)|unknown or illegal|"
    r"user not (listed|known|found)|recipient is not local|name is not recognized|"
    r"not listed in (public|domino)|recipientnotfound|recipient not found|no such (person|address|"
    r"mail)|no _?\w{1,40} in name directory|"
    r"non-?\s?existent (user|mail ?box|recipient|account|address)|"
    r"(account|mail ?box|e-?mail address|address|user|recipient)[^.;]{0,60}(does ?n[o']t exist|"
    r"not exist|unknown|not present|unavaiable|"
    r"no longer|not found|invalid|couldn't be found|could not be found|wasn't found)|"
    r"(?<!your )(account|mail ?box)[^.;]{0,60} (is|has been|was) (disabled|deactivated|terminated|"
    r"discontinued|closed)|"
    r"_ADDRESS_ (does ?n[o']t exist|(is |was )?(unknown|not (found|known)|no longer))|"
    r"wasn't found at|"
    r"unknown user|user unknown|unknown recipient|"
    r"invalid (final delivery )?userid|"
    r"list(ed)? (is )?closed|isn't (a|an) (valid|known)|has moved|has been replaced by|"
    r"no longer (works|employed|with)|(user|person|employee) has left|"
    r"destination addresses were unknown|addresses? (were|was) unknown|account is not active|"
    r"nosuchuser|not accepting (any )?(e-?)?mail from anyone|never logged on",
    re.IGNORECASE,
)
UNKNOWN_ELSEWHERE: Final = re.compile(
    # French, Spanish, Portuguese, Italian
    r"(utilisateur|adresse|destinataire)[^.;]{0,20} inconnue?|"
    r"(usuario|destinatario|usu[aá]rio|utilizador) (desconhecido|desconocido|inexistente)|"
    r"(utente|destinatario|indirizzo|casella)[^.;]{0,20} (sconosciut|inesistent)[oaie]|"
    # German, Dutch, Swedish
    r"unbekannt\w* (empf(ä|ae)nger|benutzer)|"
    r"(empf(ä|ae)nger|benutzer|adresse)[^.;]{0,30}(unbekannt|nicht gefunden|existiert nicht)|"
    r"onbekende (gebruiker|ontvanger)|gebruiker[^.;]{0,20} (onbekend|bestaat niet)|"
    r"ok(ä|ae)nd (användare|mottagare)|"
    # Polish, Czech, Russian
    r"nie ma takiego (u[zż]ytkownika|adresu)|"
    r"(adresat|odbiorca|u[zż]ytkownik|konto|skrzynka)[^.;]{0,60} nie istnieje|"
    r"(u[zž]ivatel|schr[aá]nka|adresa)[^.;]{0,20} neexistuje|"
    r"(пользователь|ящик|адрес|получатель)[^.;]{0,30} не (найден|существует)|"
    r"нет такого (пользователя|адреса)|неизвестный (пользователь|получатель)|"
    # Japanese, Chinese, Korean
    r"見つかりません|存在しません|リストにありません|(用户|邮箱|邮件地址|收件人)[^。]{0,20}不存在|"
    r"存在しない|존재하지 않",
    re.IGNORECASE,
)
# the names of Exchange and ZMailer look like host names and are blanked with them
NAMED_UNKNOWN: Final = re.compile(
    r"resolver\.adr\.(ex)?recip(ient)?notfound|resolver\.adr\.invalidinsmtp|"
    r"\berr\.nosuch(user|host)",
    re.IGNORECASE,
)
