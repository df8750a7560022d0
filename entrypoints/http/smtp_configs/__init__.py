"""The calls under /api/smtp-configs."""

from entrypoints.http.smtp_configs.authorize import Authorize
from entrypoints.http.smtp_configs.dkim import Dkim
from entrypoints.http.smtp_configs.doctor import DoctorCalls
from entrypoints.http.smtp_configs.forecast import ForecastCalls
from entrypoints.http.smtp_configs.handlers import SmtpConfigs
from entrypoints.http.smtp_configs.hooks import HookSettings

__all__ = ["Authorize", "Dkim", "DoctorCalls", "ForecastCalls", "HookSettings", "SmtpConfigs"]
