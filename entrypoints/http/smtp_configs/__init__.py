"""The calls under /api/smtp-configs."""

from entrypoints.http.smtp_configs.handlers import SmtpConfigs

__all__ = ["SmtpConfigs"]
