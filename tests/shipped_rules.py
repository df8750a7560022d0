"""The shipped table of reply rules, parsed and checked once for all tests."""

import tomllib
from importlib.resources import files

from domain.outcome.rules_file import parse_rules

TABLE = tomllib.loads(files("domain.outcome").joinpath("smtp_rules.toml").read_text("utf-8"))
RULES = parse_rules(TABLE)
