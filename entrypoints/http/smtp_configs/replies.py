"""What the API shows of accounts, which it calls SMTP configurations."""

from datetime import datetime
from typing import Final

from application.account_queries import AccountView
from domain.account.account import Account, Security
from domain.account.health import LearnedLimit
from domain.account.limits import Window
from domain.account.verification import Verification
from domain.email.gates import AccountUse, holdup
from entrypoints.advice import advice, unsigned
from entrypoints.http.smtp_configs.auth import auth_reply
from entrypoints.http.smtp_configs.inbox import inbox_reply
from entrypoints.http.smtp_configs.schemas import (
    ConnectionsReply,
    DkimState,
    LearnedLimitReply,
    SmtpConfigReply,
    SmtpConfigRow,
    VerifyReply,
    VerifyStage,
)
from entrypoints.http.times import shown, shown_if_any

_LIMIT_FIELDS: Final = {"minute": "minute_limit", "hour": "hourly_limit", "day": "daily_limit"}


def config_row(view: AccountView) -> SmtpConfigRow:
    """A configuration in the list."""
    account = view.account
    return SmtpConfigRow(
        id=account.id,
        name=account.name,
        email_address=str(account.address),
        active=account.active,
        daily_limit=account.limits.daily,
        sent_count_today=view.sent[Window.DAY],
        sent_count_hour=view.sent[Window.HOUR],
        state=account.state(view.now).value,
    )


def config_reply(view: AccountView) -> SmtpConfigReply:
    """A configuration with everything but its password."""
    account, limits = view.account, view.account.limits
    pause = holdup(account, AccountUse(used=view.used, room_at=view.room_at), now=view.now)
    return SmtpConfigReply(
        **config_row(view).model_dump(),
        display_name=account.display_name,
        aliases=list(map(str, account.aliases)),
        transport=account.transport.value,
        smtp_host=account.host,
        smtp_port=account.port,
        username=account.username,
        password_set=account.sealed_password is not None,
        auth=auth_reply(view),
        inbox=inbox_reply(view.inbox),
        auth_mechanism=account.auth_mechanism.value if account.auth_mechanism else None,
        use_tls=account.security is Security.STARTTLS,
        use_ssl=account.security is Security.TLS,
        hourly_limit=limits.hourly,
        minute_limit=limits.minute,
        limit_unit=limits.unit.value,
        max_connections=limits.max_connections,
        priority_reserve=limits.priority_reserve,
        on_unknown=account.on_unknown.value if account.on_unknown else None,
        announce_next=account.announce_next,
        ses_headers=account.ses_headers,
        last_sent=shown_if_any(account.last_sent_at),
        created_at=shown(account.created_at),
        updated_at=shown(account.updated_at),
        pause_reason=pause.reason if pause else None,
        pause_text=pause.text if pause else None,
        pause_until=shown_if_any(pause.until) if pause else None,
        used_minute=view.used[Window.MINUTE],
        used_hour=view.used[Window.HOUR],
        used_day=view.used[Window.DAY],
        next_capacity_at=shown_if_any(view.room_at),
        connections=_connections(account, in_flight=view.in_flight),
        last_reply=account.health.last_reply or None,
        pace=_pace(account, view.now),
        learned_limits=[_learned(limit) for limit in account.health.learned],
        dkim=[
            DkimState(selector=pair.selector, domain=pair.domain, active=pair.active)
            for pair in view.dkim
        ],
        max_message_bytes=account.max_octets,
    )


def verify_reply(verification: Verification) -> VerifyReply:
    """How far a dialogue got."""
    failed = verification.failed
    server = failed.reply if failed else None
    return VerifyReply(
        ok=failed is None,
        stage=failed.stage.value if failed else None,
        problem=failed.problem.value if failed and failed.problem else None,
        code=server.code if server else None,
        enhanced_code=server.enhanced if server else None,
        text=failed.text if failed else "",
        stages=[
            VerifyStage(
                stage=step.stage.value,
                ok=step.ok,
                code=step.reply.code if step.reply else None,
                text=step.text,
                advice=advice(step, verification.account),
            )
            for step in verification.steps
        ],
        warnings=[unsigned(verification.account)] if verification.unsigned else [],
    )


def _pace(account: Account, now: datetime) -> int | None:
    pace = account.health.pace.now(now) if account.health.pace else None
    return None if pace is None else int(pace)


def _learned(limit: LearnedLimit) -> LearnedLimitReply:
    """What a provider refused, and the change that would keep below it."""
    return LearnedLimitReply(
        window=limit.window,
        refused_after_least=limit.least,
        refused_after_most=limit.most,
        times=limit.times,
        last_at=shown(limit.at),
        put={_LIMIT_FIELDS[limit.window]: max(1, limit.least)},
    )


def _connections(account: Account, *, in_flight: int) -> ConnectionsReply:
    most = account.limits.max_connections
    return ConnectionsReply(max=most, allowed=account.health.connections(most), in_flight=in_flight)
