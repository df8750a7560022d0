"""The shipped tables of reply rules and of providers, parsed and checked once for all tests."""

import tomllib
from importlib.resources import files

from domain.account.providers_file import parse_providers
from domain.outcome.rules_file import parse_rules

TABLE = tomllib.loads(files("domain.outcome").joinpath("smtp_rules.toml").read_text("utf-8"))
RULES = parse_rules(TABLE)
PROVIDERS_TABLE = tomllib.loads(
    files("domain.account").joinpath("providers.toml").read_text("utf-8")
)
PROVIDERS = parse_providers(PROVIDERS_TABLE)
