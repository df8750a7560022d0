"""What the owner of an SMTP configuration should do about a step of a verification that failed.

The API and the command tell it; the texts name the fields of the API and the settings.
"""

from domain.account.account import Account, Security, Transport
from domain.account.verification import Step
from domain.outcome.handoff import Problem, Reply, Stage


def advice(step: Step, account: Account) -> str:
    """What the owner of the account should do about *step*; "" if there is nothing to do."""
    if step.ok:
        return ""
    if account.transport is Transport.GRAPH and (text := _of_graph(step)):
        return text
    if step.problem is not None:
        return _of_problem(step.problem, step.stage, account)
    assert step.reply is not None, "a step fails with a reply or a problem"
    return _of_reply(step.reply, step.stage, account)


def unsigned(account: Account) -> str:
    """What to know about an account whose DKIM keys sign mail from other domains alone."""
    domain = account.address.domain
    return (
        f"none of its active DKIM keys is for {domain}: mail from {account.address} goes out "
        "without a signature until you make keys for that domain"
    )


_CREDENTIALS = (
    "Check username and password. Many providers want an app password instead of the one of the "
    "mailbox, and the full address as username."
)
_ADVICE = {
    Problem.NOT_FOUND: "Check smtp_host: this name has no address.",
    Problem.DNS: "The name cannot be looked up now: check smtp_host and this machine's resolver.",
    Problem.BLOCKED: "This installation may not connect there: see SMTP_ALLOWED_CIDRS; and a "
    "password is sent over TLS only.",
    Problem.REFUSED: "Nothing listens there: check smtp_host and smtp_port (587 with use_tls, 465 "
    "with use_ssl), and firewalls.",
    Problem.CERTIFICATE: "The certificate is not trusted, or is for another name: use the name it "
    "is made for as smtp_host, or name its authority in SMTP_CA_FILE.",
    Problem.HANDSHAKE: "TLS failed: the server may know no version from 1.2 on.",
    Problem.NOT_OFFERED: "The server offers no STARTTLS: use port 465 with use_ssl, or ask its "
    "operator.",
    Problem.NO_MECHANISM: "Log in with a mechanism that the server offers (auth_mechanism), or "
    "leave username and password empty if it takes mail without.",
    Problem.NO_PASSWORD: "Send the password: it was forgotten when the server or login changed.",
    Problem.SECRET: "Store the password again: the key that sealed it is another one (SECRET_KEY).",
    Problem.NEEDS_CONSENT: "Authorize it with: email-service accounts authorize, and its number.",
    Problem.OAUTH_CLIENT: "Check client_id and client_secret: the provider does not take them.",
    Problem.TOKEN_SERVER: "The provider's authorization server does not answer: try again later.",
    Problem.DKIM_KEY: "Give the SECRET_KEY that sealed the DKIM keys, or make new ones.",
    Problem.PROTOCOL: "What answers there is no mail server: check smtp_host and smtp_port.",
    Problem.SMTPUTF8: "The server takes no addresses beyond ASCII.",
    Problem.STOPPED: "The service is stopping: try again.",
}


_NO_BEARER = (
    "The server takes no OAuth tokens: check smtp_host, or take OAuth away from the configuration "
    "and log in with a password."
)
_REFUSED = (
    "The server refuses a fresh token too. Check that username is the mailbox that was authorized, "
    "that the scope allows SMTP, and that SMTP AUTH is on for the mailbox; then authorize it again."
)


_NO_GRAPH = (
    "No connection to Microsoft Graph: check this machine's resolver, and firewalls (port 443)."
)
_GRAPH_PROBLEMS = {
    Problem.NOT_FOUND: _NO_GRAPH,
    Problem.DNS: _NO_GRAPH,
    Problem.REFUSED: _NO_GRAPH,
    Problem.TIMEOUT: _NO_GRAPH,
    Problem.CLOSED: _NO_GRAPH,
    Problem.HANDSHAKE: "TLS to Microsoft Graph failed: something on the way may intercept it; name "
    "its authority in SMTP_CA_FILE.",
    Problem.PROTOCOL: "Microsoft Graph did not answer: something on the way may intercept it.",
}


def _of_graph(step: Step) -> str:
    """The same, where mail leaves over Microsoft Graph; "" where it is as with SMTP."""
    if step.problem is not None:
        return _GRAPH_PROBLEMS.get(step.problem, "")
    assert step.reply is not None, "a step fails with a reply or a problem"
    if step.stage is Stage.AUTH:
        return (
            "Microsoft Graph does not take the token: check tenant and scope, and authorize the "
            "account again."
        )
    if step.reply.transient:
        return "Microsoft Graph cannot do it now: try again later."
    return (
        "There is no such mailbox: username must be the address of a mailbox in Exchange Online, "
        "in the directory that tenant names."
    )


def _of_problem(problem: Problem, stage: Stage, account: Account) -> str:
    if problem is Problem.NO_MECHANISM and account.oauth is not None:
        return _NO_BEARER
    if problem is Problem.TLS_MODE:
        if account.security is Security.TLS:
            return (
                "Set use_tls instead of use_ssl, or use port 465: this port wants STARTTLS, not "
                "TLS from the first byte."
            )
        if stage is Stage.AUTH:
            return "Set use_tls: the server lets nobody log in before STARTTLS."
        return (
            "Set use_ssl instead of use_tls, or use port 587: this port wants TLS from the first "
            "byte."
        )
    if problem in (Problem.TIMEOUT, Problem.CLOSED):
        if stage is Stage.CONNECT:
            return "No answer: check smtp_host and smtp_port (587 or 465), and firewalls."
        return (
            "The server took the connection and did not go on: check smtp_port, use_tls and "
            "use_ssl, or try again later."
        )
    return _ADVICE.get(problem, "")


def _of_reply(reply: Reply, stage: Stage, account: Account) -> str:
    text = reply.text.casefold()
    if reply.enhanced == "5.7.30" and account.oauth is None:
        return (
            "The provider takes no passwords for sending any more: set up OAuth, or have its "
            "administrator allow SMTP AUTH with passwords for as long as that is possible."
        )
    if reply.enhanced in ("5.7.139", "5.7.30", "5.7.57") or "smtpclientauth" in text:
        return (
            "SMTP AUTH is switched off for this mailbox or its organisation: have its "
            "administrator allow it."
        )
    if _wants_tls(reply, text) and account.security is Security.PLAIN:
        return "Set use_tls: the server wants STARTTLS first."
    if stage is Stage.AUTH:
        return _of_login(reply, text, by_token=account.oauth is not None)
    if _wants_login(reply, text) and not account.authenticates:
        return "The server wants a login: set username and password."
    if any(word in text for word in _ABOUT_SENDER):
        return _AT[Stage.MAIL]
    if reply.transient and stage is not Stage.RCPT:
        return "The server cannot do it now: try again later."
    return _AT.get(stage, "")


def _of_login(reply: Reply, text: str, *, by_token: bool) -> str:
    if by_token and reply.code == 535:
        return _REFUSED
    if by_token and ("too long" in text or "limit exceeded" in text):
        return (
            "The token is longer than the server takes: have it issued with fewer roles or scopes."
        )
    if reply.enhanced == "5.7.9" or "application-specific" in text or "app password" in text:
        return "Make an app password at the provider and store it instead of the mailbox's own."
    if reply.transient:
        return "The server refuses logins for now: wait a quarter of an hour, then try again."
    if reply.code in (502, 504):
        return "Name another auth_mechanism: the server does not take the one it was asked for."
    return _CREDENTIALS


_ABOUT_SENDER = ("sender address", "not owned", "sendas", "send as", "sender identity")


def _wants_tls(reply: Reply, text: str) -> bool:
    return "starttls" in text or reply.code == 538 or reply.enhanced == "5.7.11"


def _wants_login(reply: Reply, text: str) -> bool:
    words = ("authenti", "log in", "logged in", "login", "relay", "smtp auth", "client host")
    return reply.code == 530 or any(word in text for word in words)


_AT = {
    Stage.BANNER: "The server refuses this machine: ask its operator, or check smtp_host.",
    Stage.EHLO: "The server refuses this client's name: set EHLO_HOSTNAME to this machine's full "
    "name.",
    Stage.STARTTLS: "The server does not begin TLS: try again later, or port 465 with use_ssl.",
    Stage.MAIL: "The server refuses email_address as a sender: use an address that belongs to this "
    "login, or have the provider verify it.",
    Stage.RCPT: "The server refuses the recipient: verify with another recipient; if it refuses "
    "all, the login may not send to them.",
}
