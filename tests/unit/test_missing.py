"""A missing program is reported: in CI as an error, never as a skip."""

import pytest

from tests.missing import missing


@pytest.mark.parametrize("ci", ["true", "1"])
def test_in_ci_a_missing_program_is_an_error_that_names_it_and_never_a_skip(ci: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="no server: start one"):
        missing("no server: start one", {"CI": ci})


@pytest.mark.parametrize("environ", [{}, {"CI": ""}])
def test_elsewhere_what_is_missing_skips_the_test_in_a_line(environ: dict[str, str]) -> None:
    with pytest.raises(pytest.skip.Exception, match="no server: start one"):
        missing("no server: start one", environ)
