"""Postfix and Exim where they accept mail and learn later that there is no such recipient.

They put their delivery reports into the mailbox of an IMAP server. What is for RELAYED goes on to
the next server, which may refuse it; at LOCAL nobody has a mailbox.
"""

import shutil
from typing import Final

from tests.mail_servers.cyrus import CyrusImap
from tests.mail_servers.imap import MAIL_UID, USER, ImapServer
from tests.mail_servers.servers import Exim, MailServer, Postfix

RELAYED: Final = "relayed.test"
LOCAL: Final = "local.test"
_MAIN: Final = f"""
mydestination = {LOCAL}
relay_domains = {RELAYED}
virtual_mailbox_domains = {USER.partition("@")[2]}
virtual_mailbox_maps = static:mail/
virtual_uid_maps = static:{MAIL_UID}
virtual_gid_maps = static:{MAIL_UID}
virtual_mailbox_limit = 0
"""
_MASTER: Final = """
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
"""
_ACL: Final = f"""
acl_rcpt:
  accept authenticated = *
         domains = {RELAYED} : {LOCAL}
"""
_ROUTERS: Final = f"""
begin routers
mailbox:
  driver = accept
  condition = ${{if eqi{{$local_part@$domain}}{{{USER}}}}}
  transport = mailbox
relayed:
  driver = manualroute
  domains = {RELAYED}
  route_list = * 127.0.0.1
  self = send
  transport = sink
"""
_TRANSPORTS: Final = f"""
begin transports
mailbox:
  driver = appendfile
  maildir_format
  directory = @MAILBOX@
  user = {MAIL_UID}
  group = {MAIL_UID}
"""


def bouncing_postfix(imap: ImapServer) -> type[MailServer]:
    """Postfix, which puts files into Dovecot's mailbox, and speaks LMTP with Cyrus."""
    way = (
        f"virtual_transport = lmtp:inet:127.0.0.1:{imap.lmtp}"
        if isinstance(imap, CyrusImap)
        else f"virtual_mailbox_base = {imap.root}"
    )

    class Bouncing(Postfix):
        def prepare(self) -> None:
            super().prepare()
            self.write("etc/boxes", "/./ ok\n")
            ours = _MAIN + way + "\n"
            known = (self.root / "etc/main.cf").read_text().splitlines(keepends=True)
            kept = [line for line in known if not ours.count(f"\n{line.partition(' ')[0]} = ")]
            self.write("etc/main.cf", "".join(kept) + ours)
            self.write("etc/master.cf", (self.root / "etc/master.cf").read_text() + _MASTER)

    return Bouncing


def bouncing_exim(imap: ImapServer) -> type[MailServer]:
    """Exim, which puts files into Dovecot's mailbox."""

    class Bouncing(Exim):
        def prepare(self) -> None:
            super().prepare()
            conf = self.root / "exim.conf"
            text = conf.read_text()
            for begin, ours in (
                ("acl_rcpt:", _ACL),
                ("begin routers", _ROUTERS),
                ("begin transports", _TRANSPORTS.replace("@MAILBOX@", str(imap.root / "mail"))),
            ):
                assert text.count(f"{begin}\n") == 1
                text = text.replace(f"{begin}\n", ours.lstrip())
            conf.write_text(text)
            shutil.copy(conf, self.root / "etc/exim4/exim4.conf")

    return Bouncing
