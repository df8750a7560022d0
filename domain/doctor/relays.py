"""What is known of well-known relays: whom SPF must name, and where their DKIM keys stand.

Their servers stand in ``providers.toml``; what is named here is only what the catalogue has not.
A relay that sends with a return path of its own is judged by SPF for that domain, not for ours.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from domain.account import graph
from domain.account.provider import Providers


@attrs.frozen(kw_only=True)
class Relay:
    """The servers of one operator. ``providers`` are its rows of the catalogue.

    ``spf`` is what a domain includes. One of ``selectors`` at least has a key, and surely so if
    they are ``fixed``. ``own_return_path``: unless it is set up otherwise, bounces come to a domain
    of the relay.
    """

    name: str
    providers: tuple[str, ...]
    more_hosts: tuple[str, ...] = ()  # a name, or all names below it with a dot before it
    spf: str
    selectors: tuple[str, ...] = ()
    fixed: bool = False
    own_return_path: bool = False
    sign_at: str = "at the provider"
    source: str

    def serves(self, host: str, catalogue: Providers) -> bool:
        """Whether *host* is one of its servers."""
        host = host.lower().rstrip(".")
        if any(row.id in self.providers and row.serves(host) for row in catalogue.all()):
            return True
        return any(host.endswith(one) if one[0] == "." else host == one for one in self.more_hosts)


RELAYS: Final[Sequence[Relay]] = (
    Relay(
        name="Google",
        providers=("gmail", "google-workspace", "google-relay"),
        spf="_spf.google.com",
        selectors=("google",),
        sign_at="in the Admin console: Apps, Google Workspace, Gmail, Authenticate email",
        source="https://support.google.com/a/answer/174124",
    ),
    Relay(
        name="Microsoft 365",
        providers=("microsoft-365", "outlook.com"),
        more_hosts=(graph.HOST, ".mail.protection.outlook.com"),
        spf="spf.protection.outlook.com",
        selectors=("selector1", "selector2"),
        fixed=True,
        sign_at="in the Defender portal: Email authentication settings, DKIM",
        source="https://learn.microsoft.com/en-us/defender-office-365/email-authentication-dkim-"
        "configure",
    ),
    Relay(
        name="Amazon SES",
        providers=("ses",),
        more_hosts=(".amazonaws.com",),
        spf="amazonses.com",
        own_return_path=True,
        sign_at="in the SES console: Easy DKIM, and a custom MAIL FROM domain",
        source="https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dmarc.html",
    ),
    Relay(
        name="SendGrid",
        providers=("sendgrid",),
        more_hosts=("smtp.eu.sendgrid.net",),
        spf="sendgrid.net",
        own_return_path=True,
        sign_at="at SendGrid: Sender Authentication, Authenticate Your Domain",
        source="https://www.twilio.com/docs/sendgrid/ui/account-and-settings/how-to-set-up-domain-"
        "authentication",
    ),
    Relay(
        name="Postmark",
        providers=("postmark",),
        more_hosts=("smtp-broadcasts.postmarkapp.com",),
        spf="spf.mtasv.net",
        own_return_path=True,
        sign_at="at Postmark: Sender Signatures, DNS Settings",
        source="https://postmarkapp.com/blog/how-dmarc-and-a-custom-return-path-work-together",
    ),
    Relay(
        name="Fastmail",
        providers=("fastmail",),
        spf="spf.messagingengine.com",
        selectors=("fm1", "fm2", "fm3"),
        fixed=True,
        sign_at="at Fastmail: Settings, Domains",
        source="https://www.fastmail.help/hc/en-us/articles/360060591153",
    ),
)


def relay_of(host: str, catalogue: Providers) -> Relay | None:
    """The well-known relay that *host* belongs to."""
    return next((relay for relay in RELAYS if relay.serves(host, catalogue)), None)
