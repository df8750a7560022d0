"""The calls under /api/smtp-configs."""

from entrypoints.http.smtp_configs.dkim import Dkim
from entrypoints.http.smtp_configs.handlers import SmtpConfigs

__all__ = ["Dkim", "SmtpConfigs"]
