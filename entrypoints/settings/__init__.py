"""Every setting, read once from the environment and checked; the only place that knows the names.

A module for each subject declares its settings: each line is one variable, its default, what it may
be, what it means and whether it is secret. `.env.example` and docs/operating/settings.md are
written from these lines.
"""

from entrypoints.settings.delivery import MOST_PROCESSES, Dispatcher
from entrypoints.settings.events import Events
from entrypoints.settings.intake import ApiTimes
from entrypoints.settings.loading import load_environment, load_settings
from entrypoints.settings.mail_servers import SenderKind
from entrypoints.settings.service import FlaskEnv, LogFormat
from entrypoints.settings.settings import Settings, SettingsError, variables

__all__ = [
    "MOST_PROCESSES",
    "ApiTimes",
    "Dispatcher",
    "Events",
    "FlaskEnv",
    "LogFormat",
    "SenderKind",
    "Settings",
    "SettingsError",
    "load_environment",
    "load_settings",
    "variables",
]
