"""The SMTP listener on its settings."""

import socket

from application import Application
from entrypoints.runtime.cpu_affinity import use_batch_scheduling
from entrypoints.settings import Settings, SettingsError
from entrypoints.smtp.certificates import Certificate
from entrypoints.smtp.limits import Limits
from entrypoints.smtp.listener import Place, SmtpListener

_NAMELESS = "localhost"


def smtp_listener(settings: Settings, application: Application) -> SmtpListener:
    """It listens already, and answers once it is started. OSError, SettingsError."""
    host = settings.smtp_host
    certificate = _certificate(settings)
    return SmtpListener(
        application,
        [
            *([Place(host, settings.intake_port)] if settings.intake_port else []),
            *([Place(host, settings.intake_tls_port, True)] if settings.intake_tls_port else []),
        ],
        name=settings.ehlo_name(socket.gethostname()) or _NAMELESS,
        limits=Limits(
            message_bytes=settings.max_body_bytes,
            messages_bytes=settings.bodies_bytes,
            recipients=settings.max_recipients,
            sessions_of_key=settings.intake_connections,
        ),
        tls=None if certificate is None else certificate.context,
        login_in_clear=settings.keys_in_clear,
        begin_worker=use_batch_scheduling,
    )


def _certificate(settings: Settings) -> Certificate | None:
    if settings.intake_tls_cert is None or settings.intake_tls_key is None:
        return None
    try:
        return Certificate(settings.intake_tls_cert, settings.intake_tls_key)
    except OSError as error:
        raise SettingsError(
            f"INTAKE_TLS_CERT and INTAKE_TLS_KEY must be a certificate and its key in PEM: {error}"
        ) from error
