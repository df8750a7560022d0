"""The settings: every variable checked, all errors reported at once, no secret shown."""

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from domain.account.account import OnUnknown
from entrypoints.settings import (
    Dispatcher,
    FlaskEnv,
    LogFormat,
    Settings,
    SettingsError,
    load_environment,
    load_settings,
    variables,
)
from entrypoints.settings.development_key import development_key
from entrypoints.settings.papers import env_example, settings_page
from entrypoints.settings.settings import declared
from entrypoints.wiring.rules import service_rules

ROOT = Path(__file__).parents[2]
KEY = "3f9c1d07b2a84e65aa10c2d4e6f80912"


def settings(**environ: str) -> Settings:
    return Settings.from_environment(environ)


def production(**environ: str) -> Settings:
    return settings(**{"FLASK_ENV": "production", "SECRET_KEY": KEY} | environ)


def errors(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(**environ)
    return list(caught.value.errors)


def test_nothing_needs_to_be_set_to_try_it_out():
    defaults = settings()
    assert defaults.flask_env is FlaskEnv.DEVELOPMENT
    assert defaults.secret_key is None
    assert (defaults.host, defaults.port) == ("127.0.0.1", 5000)
    assert defaults.queue_workers == 2
    assert defaults.max_retries == 3
    assert defaults.database_path == Path("email-service.db")


def test_the_settings_are_those_that_the_subjects_declare():
    assert sorted(attrs.fields(Settings), key=str) == sorted(declared(), key=str)


def test_trusted_proxies_are_addresses_and_networks():
    assert settings().trusted_proxies == ()
    trusted = settings(TRUSTED_PROXIES="127.0.0.1, 10.1.0.0/16,fd12::/64,::1").trusted_proxies
    assert [str(one) for one in trusted] == ["127.0.0.1/32", "10.1.0.0/16", "fd12::/64", "::1/128"]


@pytest.mark.parametrize(
    "text",
    ["nginx", "127.0.0.1;::1", "10.1.2.3/8", "127.0.0.1,", "0.0.0.0/0", "10.0.0.1,::/0", "*"],
)
def test_what_is_no_proxy_or_everybody_is_refused(text):
    [error] = errors(TRUSTED_PROXIES=text)
    assert error.startswith("TRUSTED_PROXIES must be addresses and networks of proxies")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://mail.example.com", "https://mail.example.com"),
        ("https://mail.example.com/", "https://mail.example.com"),
        ("https://mail.example.com:8443/news/a~b/", "https://mail.example.com:8443/news/a~b"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://localhost:5000/x", "http://localhost:5000/x"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_the_public_url_is_taken_without_a_slash_at_its_end(text, url):
    assert settings(PUBLIC_URL=text).public_url == url


@pytest.mark.parametrize(
    "text",
    [
        "mail.example.com",
        "http://mail.example.com",
        "ftp://mail.example.com",
        "https://",
        "https://user:pw@mail.example.com",
        "https://mail.example.com?x=1",
        "https://mail.example.com/#x",
        "https://mail.example.com/a b",
        "https://mail.example.com/>,<mailto:x@example.org",
        "https://mail.example.com//x",
        "https://mail.example.com/../x",
        "https://mail.example.com:0",
        "https://mail.example.com:65536",
        "https://-mail.example.com",
        "https://[::g]/",
        "https://b\u00fccher.example",
        "https://mail.example.com/" + "p" * 300,
    ],
)
def test_what_is_no_public_url_is_refused(text):
    [error] = errors(PUBLIC_URL=text)
    assert error.startswith("PUBLIC_URL must be a URL such as https://")


def test_in_production_the_public_url_is_never_plain_http():
    assert production(PUBLIC_URL="https://mail.example.com").public_url
    with pytest.raises(SettingsError, match="PUBLIC_URL must begin with https://"):
        production(PUBLIC_URL="http://127.0.0.1:5000")


def test_an_empty_variable_is_as_good_as_none():
    assert settings(QUEUE_WORKERS="", SECRET_KEY=" ") == settings()


def test_what_is_set_is_taken():
    changed = settings(
        QUEUE_WORKERS="8",
        DISPATCHER="none",
        ON_UNKNOWN="hold",
        RETRY_SCHEDULE="1, 2.5,4",
        HEARTBEAT_SECONDS="0.5",
        LOG_LEVEL="debug",
        DATABASE_URL="sqlite:////var/lib/mail/queue.db",
        MAX_QUEUE_DEPTH="0",
        SMTP_DOT_TIMEOUT="5",
        SANDBOX="1",
    )
    assert changed.queue_workers == 8
    assert changed.dispatcher is Dispatcher.NONE
    assert changed.on_unknown is OnUnknown.HOLD
    assert changed.retry_schedule == tuple(timedelta(seconds=s) for s in (1, 2.5, 4))
    assert changed.heartbeat == timedelta(milliseconds=500)
    assert changed.log_level == "DEBUG"
    assert changed.database_path == Path("/var/lib/mail/queue.db")
    assert changed.max_queue_depth == 0
    assert changed.smtp_dot_timeout == timedelta(seconds=5)
    assert changed.sandbox


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("QUEUE_WORKERS", "two", "a whole number from 1 to 1000, not 'two'"),
        ("QUEUE_WORKERS", "0", "a whole number from 1 to 1000, not '0'"),
        ("QUEUE_WORKERS", "1.5", "a whole number"),
        ("QUEUE_WORKERS", "٣", "a whole number"),
        ("PORT", "65536", "a whole number from 0 to 65535"),
        ("MAX_RETRIES", "-1", "a whole number from 0"),
        ("MAX_BODY_BYTES", "9" * 30, "a whole number"),
        ("FLASK_ENV", "prod", "one of development, production"),
        ("DISPATCHER", "rq", "one of threads, celery, none"),
        ("CELERY_BROKER_URL", "localhost:5672", "amqp://user:password@host:5672/vhost or redis"),
        ("CELERY_BROKER_URL", "sqs://", "amqp://user:password@host:5672/vhost or redis"),
        ("CELERY_BROKER_URL", "redis://localhost/queue", "redis://:password@host:6379/0"),
        ("CELERY_BROKER_URL", "amqp://localhost:port/", "amqp://user:password@host:5672/vhost"),
        ("CELERY_QUEUE", "two words", "a name of letters, digits, dots, dashes and underscores"),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR"),
        ("LOG_FORMAT", "xml", "one of text, json"),
        ("ON_UNKNOWN", "resend", "one of resend_once, hold"),
        ("SANDBOX", "yes", "0 or 1"),
        ("HOST", "not a host", "an IP address or a host name"),
        ("DATABASE_URL", "postgres://x/y", "sqlite:///relative/path.db"),
        ("DATABASE_URL", "sqlite:///:memory:", "sqlite:///relative/path.db"),
        ("DATABASE_URL", "postgresql://me:s3cret@host", "'postgresql://me:***@host'"),
        ("DATABASE_URL", "postgresql://me:s3@cret/@host/", "'postgresql://me:***@host/'"),
        ("DATABASE_URL", "mysql://me:s3cret@host/mail", "'mysql://me:***@host/mail'"),
        ("DATABASE_URL", "sqlite:///", "sqlite:///relative/path.db"),
        ("RETENTION_SENT_CONTENT", "7", "days or hours as in 30d or 12h, or never"),
        ("RETENTION_SENT_CONTENT", "0d", "days or hours as in 30d or 12h, or never"),
        ("RETENTION_SENT_CONTENT", "1w", "days or hours as in 30d or 12h, or never"),
        ("RETRY_SCHEDULE", "60,,300", "seconds from 0 to 604800 with commas between"),
        ("RETRY_SCHEDULE", "1 minute", "seconds from 0 to 604800 with commas between"),
        ("BREAKER_SCHEDULE", "nan", "seconds from 0 to 604800 with commas between"),
        ("LEASE_SECONDS", "inf", "a number of seconds from 1 to 3600"),
        ("SMTP_CONNECT_TIMEOUT", "0", "a number of seconds from 0.1 to 3600"),
        ("EHLO_HOSTNAME", "192.0.2.1", "a host name, or an address in brackets"),
        ("EHLO_HOSTNAME", "a b", "a host name, or an address in brackets"),
        ("SMTP_RULES_FILE", "/does/not/exist.toml", "the path of a file that exists"),
        ("SMTP_CA_FILE", "/does/not/exist.pem", "the path of a file that exists"),
    ],
)
def test_what_a_variable_may_not_be_is_refused_by_name_and_with_what_it_may_be(name, text, says):
    (error,) = errors(**{name: text})
    assert error.startswith(f"{name} must be ")
    assert says in error


def test_all_errors_are_reported_at_once():
    wrong = errors(
        QUEUE_WORKERS="two", PORT="http", LOG_FORMAT="xml", FLASK_ENV="production", SANDBOX="1"
    )
    named = [error.split()[0] for error in wrong]
    assert named == ["PORT", "LOG_FORMAT", "QUEUE_WORKERS", "SECRET_KEY", "SANDBOX"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"CELERY_BROKER_URL": "http://broker", "DISPATCHER": "celery"},
        {"MAX_WORKERS": "many", "QUEUE_WORKERS": "300"},
        {"HEARTBEAT_SECONDS": "often", "LEASE_SECONDS": "20"},
    ],
)
def test_a_setting_that_is_wrong_by_itself_is_not_also_reported_as_a_contradiction(wrong):
    (error,) = errors(**wrong)
    assert error.startswith(f"{next(iter(wrong))} must be ")


def test_a_long_value_is_not_repeated_in_full():
    (error,) = errors(PORT="9" * 5000)
    assert len(error) < 200


@pytest.mark.parametrize(
    ("text", "age", "shown"),
    [
        ("30d", timedelta(days=30), "30d"),
        ("36H", timedelta(hours=36), "36h"),
        ("48h", timedelta(days=2), "2d"),
        ("never", None, "never"),
        ("0", None, "never"),
    ],
)
def test_ages_are_days_or_hours_and_are_shown_so(text, age, shown):
    changed = settings(RETENTION_SENT_CONTENT=text)
    assert changed.retention_sent_content == age
    assert changed.describe()["RETENTION_SENT_CONTENT"] == shown


def test_celery_needs_a_broker():
    (error,) = errors(DISPATCHER="celery")
    assert error.startswith("CELERY_BROKER_URL must be set with DISPATCHER=celery: amqp://")


@pytest.mark.parametrize(
    "url", ["amqp://guest:guest@127.0.0.1:5672//", "amqps://broker/mail", "redis://:pw@h:6379/3"]
)
def test_celery_takes_rabbitmq_and_redis(url):
    taken = settings(DISPATCHER="celery", CELERY_BROKER_URL=url)
    assert (taken.dispatcher, taken.celery_broker_url) == (Dispatcher.CELERY, url)


def test_the_password_of_the_broker_is_shown_nowhere():
    taken = settings(DISPATCHER="celery", CELERY_BROKER_URL="redis://:hunter2@127.0.0.1:6379/0")
    (error,) = errors(CELERY_BROKER_URL="redes://:hunter2@127.0.0.1:6379/0")
    assert "hunter2" not in repr(taken) + error + str(taken.describe())


def test_more_workers_than_the_most_is_refused():
    assert errors(QUEUE_WORKERS="300")[0].startswith("MAX_WORKERS must be at least QUEUE_WORKERS")


def test_a_heartbeat_slower_than_half_the_lease_is_refused():
    (error,) = errors(HEARTBEAT_SECONDS="40")
    assert error.startswith("HEARTBEAT_SECONDS must be at most half of LEASE_SECONDS (60), not 40")


@pytest.fixture
def pem(tmp_path):
    """A file that is there."""
    path = tmp_path / "it.pem"
    path.touch()
    return str(path)


def test_smtp_is_off_until_it_has_a_port():
    assert not settings().takes_smtp
    assert settings(INTAKE_PORT="587").takes_smtp


def test_smtp_listens_where_the_api_does_unless_it_has_an_address():
    assert settings(HOST="::1").smtp_host == "::1"
    assert settings(HOST="::1", INTAKE_HOST="127.0.0.2").smtp_host == "127.0.0.2"


def test_keys_go_in_clear_in_development_on_a_loopback_address_only(pem):
    cert = {"INTAKE_TLS_CERT": pem, "INTAKE_TLS_KEY": pem}

    assert settings(INTAKE_PORT="587").keys_in_clear
    assert not settings(INTAKE_PORT="587", INTAKE_HOST="192.0.2.1", **cert).keys_in_clear
    assert not production(INTAKE_PORT="587", **cert).keys_in_clear
    for wrong in (
        errors(INTAKE_PORT="587", INTAKE_HOST="192.0.2.1"),
        errors(INTAKE_PORT="587", FLASK_ENV="production", SECRET_KEY=KEY),
    ):
        assert [one.split(":")[0] for one in wrong] == [
            "INTAKE_TLS_CERT must be set with INTAKE_PORT"
        ]


def test_a_certificate_comes_with_its_key_and_a_tls_port_with_both(pem):
    assert errors(INTAKE_TLS_CERT=pem)[0].startswith("INTAKE_TLS_KEY must be set too")
    assert errors(INTAKE_TLS_KEY=pem)[0].startswith("INTAKE_TLS_CERT must be set too")
    assert errors(INTAKE_TLS_PORT="465")[0].startswith("INTAKE_TLS_CERT must be set with")


# -- T-AUTH-2: keys and addresses ------------------------------------------------------------------


def test_t_auth_2_in_production_a_secret_key_is_needed():
    (error,) = errors(FLASK_ENV="production")
    assert error.startswith("SECRET_KEY must be set in production")


@pytest.mark.parametrize(
    "key",
    [
        "changeme",
        "secret",
        "your-secret-key",
        "your-secret-key-here-your-secret-key-here",
        "change-me-change-me-change-me-change-me",
        "CHANGE_ME_0123456789_0123456789_0123456789",
        "replace-me-with-something-random-0123456789",
        "short-but-random-9c1d07",
        "0" * 64,
        "abcabcabcabcabcabcabcabcabcabcabcabcabc",
        "0123456789abcdef0123456789abcdef",
        "qwertyuiopasdfghjklzxcvbnm123456",
        "correct-horse-battery-staple-correct",
        "2024-01-01T2024-01-02T2024-01-03",
    ],
)
def test_t_auth_2_in_production_a_short_or_placeholder_key_is_refused_and_not_repeated(key):
    (error,) = errors(FLASK_ENV="production", SECRET_KEY=key)
    reason, _, _ = error.removeprefix("SECRET_KEY ").partition(":")
    assert key not in reason


def test_in_production_a_good_key_is_taken():
    assert production().secret_key == KEY


def test_the_key_of_the_example_file_is_no_key():
    example = load_environment({}, path=ROOT / ".env.example")
    assert errors(**example | {"FLASK_ENV": "production"})[0].startswith("SECRET_KEY ")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "mail.example.com"])
def test_t_auth_2_in_development_only_this_machine_may_reach_the_api(host):
    (error,) = errors(HOST=host)
    assert error.startswith("HOST must be a loopback address")
    assert "FLASK_ENV=production" in error


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_a_loopback_address_is_fine_in_development(host):
    assert settings(HOST=host).host == host


def test_in_production_any_address_may_be_listened_on():
    assert production(HOST="0.0.0.0").host == "0.0.0.0"


def test_the_knobs_of_tests_are_not_for_production():
    with pytest.raises(SettingsError, match="ALLOW_TEST_KNOBS must be 0 in production"):
        production(ALLOW_TEST_KNOBS="1")
    assert settings(ALLOW_TEST_KNOBS="1").allow_test_knobs


WIDE_OPEN = [
    *("0.0.0.0/0", "::/0", "10.1.0.0/16,0.0.0.0/0", "0.0.0.0/1,128.0.0.0/1", "8.0.0.0/7"),
    *("fc00::/6", "::/1,8000::/1", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8"),
    ",".join(f"{first}.0.0.0/8" for first in range(1, 224)),
]


@pytest.mark.parametrize("networks", WIDE_OPEN)
def test_networks_that_open_nearly_everything_are_a_warning_in_production(networks):
    (warning,) = production(SMTP_ALLOWED_CIDRS=networks).warnings
    assert warning.startswith(f"SMTP_ALLOWED_CIDRS={networks} opens nearly everything")
    assert settings(SMTP_ALLOWED_CIDRS=networks).warnings == ()


@pytest.mark.parametrize(
    "networks", ["", "10.0.0.0/8", "10.1.0.0/16,192.168.0.0/16,127.0.0.0/8", "fc00::/7", "::1/128"]
)
def test_networks_of_ones_own_are_nothing_to_warn_of(networks):
    assert production(SMTP_ALLOWED_CIDRS=networks).warnings == ()


def test_name_servers_are_addresses_with_and_without_a_port():
    assert settings().dns_servers == ()
    text = "192.0.2.53, 127.0.0.1:5353,2001:db8::53,[::1]:5353"
    found = settings(DNS_SERVERS=text).dns_servers
    assert [(str(one.address), one.port) for one in found] == [
        ("192.0.2.53", 53), ("127.0.0.1", 5353), ("2001:db8::53", 53), ("::1", 5353),
    ]  # fmt: skip
    again = ",".join(map(str, found))
    assert settings(DNS_SERVERS=again).dns_servers == found


@pytest.mark.parametrize(
    "text",
    [
        "dns.example", "192.0.2.53:0", "192.0.2.53:65536", "192.0.2.53:", "192.0.2.53,", "[::1]",
        "1.2.3:53", "[192.0.2.53]:x", "192.0.2.53;192.0.2.54",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_name_server_is_refused(text):
    [error] = errors(DNS_SERVERS=text)
    assert error.startswith("DNS_SERVERS must be IP addresses with commas between")


def test_the_sandbox_is_not_for_production():
    with pytest.raises(SettingsError, match="SANDBOX must be 0 in production"):
        production(SANDBOX="1")


def test_t_sec_1_no_secret_is_shown():
    shown = production(SECRET_KEY_PREVIOUS=KEY[::-1])
    for text in (repr(shown), str(shown.describe())):
        assert KEY not in text
        assert KEY[::-1] not in text
    assert shown.describe()["SECRET_KEY"] == "***"


def test_the_windows_are_changed_in_tests_only():
    (error,) = errors(HOUR_SECONDS="6")
    assert error.startswith("HOUR_SECONDS must be 3600, not 6")
    assert settings(HOUR_SECONDS="6", ALLOW_TEST_KNOBS="1").hour == timedelta(seconds=6)


# -- defaults that depend ------------------------------------------------------------------------


def test_logs_are_text_in_development_and_json_in_production():
    assert settings().log_format is LogFormat.TEXT
    assert production().log_format is LogFormat.JSON
    assert production(LOG_FORMAT="text").log_format is LogFormat.TEXT


@pytest.mark.parametrize("name", ["HOST", "EHLO_HOSTNAME"])
def test_the_dot_of_a_fully_qualified_name_is_removed(name):
    chosen = settings(**{name: "localhost."} if name == "HOST" else {name: "mail.example.org."})
    assert chosen.describe()[name] in ("localhost", "mail.example.org")


def test_the_machines_name_loses_its_final_dot():
    assert settings().ehlo_name("mail.example.org.") == "mail.example.org"


@pytest.mark.parametrize(
    ("configured", "machine", "name"),
    [
        ("", "mail.example.com", "mail.example.com"),
        ("", "laptop", None),
        ("", "localhost.localdomain", None),
        ("", "my_machine.example.com", None),
        ("", "10.0.0.7", None),
        ("relay.example.org", "mail.example.com", "relay.example.org"),
        ("[192.0.2.1]", "mail.example.com", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "mail.example.com", "[IPv6:2001:db8::1]"),
    ],
)
def test_the_client_names_itself_as_configured_or_by_a_full_host_name(configured, machine, name):
    assert settings(EHLO_HOSTNAME=configured).ehlo_name(machine) == name


# -- the file and the papers -----------------------------------------------------------------------


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text("PORT=6000\nQUEUE_WORKERS=4\nSECRET_KEY='a${b}c'\nLOG_LEVEL\n")
    loaded = load_environment({"PORT": "7000"}, path=file)
    assert loaded == {"PORT": "7000", "QUEUE_WORKERS": "4", "SECRET_KEY": "a${b}c"}


def test_without_a_file_the_environment_is_all(tmp_path):
    assert load_environment({"PORT": "7000"}, path=tmp_path / ".env") == {"PORT": "7000"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("PORT: 6000", "write PORT=value, with an equals sign in the place of the colon"),
        ("PORT : 6000", "write PORT=value, with an equals sign"),
        ("PORT:6000", "write PORT=value, with an equals sign"),
        ("export PORT: 6000", "write PORT=value, with an equals sign"),
        ("PORT 6000", "write PORT=value: there is no equals sign"),
        ("export PORT 6000", "write PORT=value: there is no equals sign"),
        ('PORT="6000', "the value of PORT has a quote that is not closed"),
        (
            "PORT='6000' and more",
            "the value of PORT has a quote that is not closed, or text behind",
        ),
        ("=6000", "it is not NAME=value"),
    ],
)
def test_a_line_that_is_no_setting_is_refused_by_its_number(tmp_path, line, says):
    file = tmp_path / ".env"
    file.write_text(f"# a comment\n\nLOG_LEVEL=INFO\n\n{line}\nQUEUE_WORKERS=4\n")
    with pytest.raises(SettingsError) as caught:
        load_environment({}, path=file)
    (error,) = caught.value.errors
    assert error.startswith(f".env line 5: {says}")
    assert "6000" not in error


@pytest.mark.parametrize(
    "line",
    [
        "PORT=6000",
        "export PORT=6000",
        "PORT = 6000",
        "PORT='6000'",
        'PORT="6000"  # why',
        "PORT=6000 # why",
        "\ufeffPORT=6000",
        "'PORT'=6000",
    ],
)
def test_a_line_may_be_written_as_in_a_shell(tmp_path, line):
    file = tmp_path / ".env"
    file.write_text(line, "utf-8")
    assert load_environment({}, path=file) == {"PORT": "6000"}


def test_every_line_that_cannot_be_read_is_named(tmp_path):
    file = tmp_path / ".env"
    file.write_text("PORT: 1\r\nHOST: 2\r\n")
    with pytest.raises(SettingsError) as caught:
        load_environment({}, path=file)
    assert [error.split(":")[0] for error in caught.value.errors] == [".env line 1", ".env line 2"]


def doubts_about(tmp_path, text="", **environ):
    file = tmp_path / ".env"
    file.write_text(text)
    return load_settings(environ, path=file)[1]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("DATABASEURL", "DATABASE_URL"),
        ("DATABASE-URL", "DATABASE_URL"),
        ("database_url", "DATABASE_URL"),
        ("SMTP_ALLOWED_CIDR", "SMTP_ALLOWED_CIDRS"),
        ("MAX_RECIPENTS", "MAX_RECIPIENTS"),
        ("PROT", "PORT"),
        ("port", "PORT"),
    ],
)
def test_a_name_of_the_file_that_resembles_a_setting_is_a_warning(tmp_path, name, meant):
    (doubt,) = doubts_about(tmp_path, f"LOG_LEVEL=INFO\n{name}=x\n")
    assert doubt == f"{name} (.env line 2) is no setting: did you mean {meant}?"


@pytest.mark.parametrize("name", ["TEST_DATABASE_URL", "REDIS_URL", "SENTRY_DSN", "FLASK_APP"])
def test_a_name_of_another_program_in_the_file_is_no_warning(tmp_path, name):
    assert not doubts_about(tmp_path, f"{name}=x\n")


def test_a_name_of_the_environment_that_resembles_a_setting_is_a_warning(tmp_path):
    (doubt,) = doubts_about(tmp_path, DATABSE_URL="sqlite:///x.db")
    assert doubt == "DATABSE_URL (in the environment) is no setting: did you mean DATABASE_URL?"


def test_a_name_beside_the_setting_that_it_resembles_is_no_warning(tmp_path):
    assert not doubts_about(tmp_path, DATABASE_URL="sqlite:///x.db", DATABASE_URI="x")
    assert not doubts_about(tmp_path, "DATABASE_URL=sqlite:///x.db\n", DATABASE_URI="x")


def test_a_real_environment_is_no_warning(tmp_path):
    common = (
        "HOME HOSTNAME HOSTTYPE HOST_IP LANG LANGUAGE LC_ALL LESS LOGNAME LS_COLORS MAIL OLDPWD"
        " PATH PWD SHELL SHLVL TERM TMPDIR TZ USER VIRTUAL_ENV XDG_RUNTIME_DIR _ host port ports"
        " http_proxy https_proxy no_proxy HTTP_PROXY SSH_AUTH_SOCK SSL_CERT_FILE PYTHONPATH"
        " PYTHONUNBUFFERED PIP_CACHE_DIR FLASK_APP FLASK_DEBUG FLASK_RUN_PORT DJANGO_SECRET_KEY"
        " SECRET_KEY_BASE REDIS_URL MAIL_SERVER SMTP_HOST SMTP_PORT SMTP_USER SMTP_PASSWORD"
        " WEB_CONCURRENCY GUNICORN_CMD_ARGS CELERY_RESULT_BACKEND CELERY_QUEUES_FILE PGHOST PGPORT"
        " POSTGRES_PASSWORD POSTGRES_DB DB_HOST KUBERNETES_SERVICE_HOST KUBERNETES_PORT"
        " KUBERNETES_SERVICE_PORT MAIL_PORT_5000_TCP_PORT AWS_REGION AWS_SECRET_ACCESS_KEY CI"
        " GITHUB_ACTIONS LOG_DIR LOG_FILE MAX_CONNECTIONS TIMEOUT_SECONDS INVOCATION_ID"
        " JOURNAL_STREAM NOTIFY_SOCKET SYSTEMD_EXEC_PID DEBIAN_FRONTEND EDITOR PAGER DISPLAY"
    ).split()
    assert not doubts_about(tmp_path, **(dict(os.environ) | dict.fromkeys(common, "x")))


def test_a_missing_setting_is_reported_with_what_was_meant(tmp_path):
    file = tmp_path / ".env"
    file.write_text("FLASK_ENV=production\nSECRTE_KEY=x\n")
    with pytest.raises(SettingsError) as caught:
        load_settings({}, path=file)
    told = "\n".join(caught.value.errors)
    assert "SECRET_KEY must be set" in told
    assert "SECRTE_KEY (.env line 2) is no setting: did you mean SECRET_KEY?" in told


def test_a_file_that_is_no_text_is_settings_that_cannot_be_used(tmp_path):
    file = tmp_path / ".env"
    file.write_bytes(b"PORT=5000\n\xff\xfe")
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8"):
        load_environment({}, path=file)


def test_the_example_file_and_the_page_are_written_from_the_declaration():
    """After a change: `make settings` writes them anew."""
    papers = {
        ROOT / ".env.example": env_example(),
        ROOT / "docs/operating/settings.md": settings_page(),
    }
    for path, text in papers.items():
        if os.environ.get("RENEW_GOLDEN"):
            path.write_text(text, "utf-8")
        assert path.read_text("utf-8") == text, path.name


def test_the_example_file_names_every_variable_with_its_default():
    written = dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", env_example(), re.MULTILINE))
    assert written == variables()


def test_the_page_names_every_variable_with_its_default():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? \|", settings_page(), re.MULTILINE)
    assert dict(rows) == variables()


def test_no_line_of_the_example_file_is_longer_than_100_characters():
    assert max(map(len, env_example().splitlines())) <= 100


# -- the generated key ---------------------------------------------------------------------------


def test_a_key_is_made_once_and_kept(tmp_path):
    path = tmp_path / "email-service.db.key"
    key = development_key(path)
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert development_key(path) == key


def test_only_its_owner_may_read_the_key(tmp_path):
    path = tmp_path / "key"
    development_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_that_start_at_once_get_the_same_key(tmp_path):
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: development_key(path), range(32)))
    assert len(keys) == 1
    assert os.listdir(tmp_path) == ["key"]


def test_a_key_that_cannot_be_kept_is_settings_that_cannot_be_used(tmp_path):
    with pytest.raises(SettingsError, match=r"no folder .*nowhere"):
        development_key(tmp_path / "nowhere" / "key")


def test_a_folder_in_which_no_key_can_be_made_is_named_with_what_to_change(tmp_path):
    path = tmp_path / ("x" * 250)  # of a draft, which is longer, no file system has the name
    with pytest.raises(SettingsError, match=rf"{tmp_path} cannot .* \(File name too long\).*_URL"):
        development_key(path)


@pytest.mark.parametrize("held", [b"", b"\n", b"\xff\xfe", None])
def test_a_file_that_holds_no_key_is_left_alone_and_named(tmp_path, held):
    path = tmp_path / "key"
    path.mkdir() if held is None else path.write_bytes(held)
    with pytest.raises(SettingsError, match=f"{path} holds no key"):
        development_key(path)
    assert path.is_dir() if held is None else path.read_bytes() == held


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@db:5432/mail", "postgresql://me:***@db:5432/mail"),
        (
            "postgresql://db/mail?user=me&password=s3cret",
            "postgresql://db/mail?user=me&password=***",
        ),
        (
            "postgresql://me@db/mail?sslmode=verify-full",
            "postgresql://me@db/mail?sslmode=verify-full",
        ),
        ("postgresql:///mail", "postgresql:///mail"),
    ],
)
def test_a_database_server_is_shown_without_its_password(url, shown):
    chosen = settings(DATABASE_URL=url)

    assert chosen.database_url == url
    assert chosen.database == chosen.describe()["DATABASE_URL"] == shown
    assert chosen.database_place == shown
    assert f"database_url={shown}," in repr(chosen)
    assert "s3cret" not in repr(chosen)


def test_the_place_of_a_database_file_is_its_whole_path():
    assert settings(DATABASE_URL="sqlite:///mail.db").database_place == str(Path.cwd() / "mail.db")


SPECIAL = "@:/#%?&[]=+ \\;,é"


def shown_of(**environ: str) -> str:
    """Everything that is shown of these settings, whether they can be used or not."""
    try:
        chosen = settings(**environ)
    except SettingsError as error:
        return str(error)
    return f"{chosen!r} {chosen.describe()} {chosen.database}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://mail:{}@127.0.0.1:1/mail",
        "postgresql://mail:{}@127.0.0.1/",
        "postgresql://m@il:{}@127.0.0.1/mail",
        "postgresql://127.0.0.1:1/mail?user=me&password={}",
        "postgres://mail:{}@127.0.0.1/mail",
        "mail:{}@127.0.0.1/mail",
    ],
)
def test_no_part_of_a_database_password_is_shown(url):
    for c in SPECIAL:
        for secret in (f"abcd{c}efgh", f"{c}abcdefgh", f"abcdefgh{c}"):
            shown = shown_of(DATABASE_URL=url.format(secret))
            assert "abcd" not in shown, secret
            assert "efgh" not in shown, secret


@pytest.mark.parametrize("url", ["amqp://mail:{}@127.0.0.1:1//", "redis://:{}@127.0.0.1:1/0"])
def test_no_part_of_a_broker_password_is_shown(url):
    for character in SPECIAL:
        secret = f"1234{character}efgh"
        shown = shown_of(DISPATCHER="celery", CELERY_BROKER_URL=url.format(secret))
        assert "1234" not in shown, secret
        assert "efgh" not in shown, secret


@pytest.mark.parametrize("character", "/?#")
def test_a_broker_url_whose_password_would_be_read_as_something_else_is_refused(character):
    (error,) = errors(CELERY_BROKER_URL=f"amqp://mail:1234{character}efgh@127.0.0.1:5672//")
    assert error.startswith("CELERY_BROKER_URL must be ")


@pytest.mark.parametrize("character", "@/")
def test_a_database_url_whose_password_would_be_read_as_something_else_is_refused(character):
    (error,) = errors(DATABASE_URL=f"postgresql://mail:abcd{character}efgh@127.0.0.1/mail")
    assert "special characters of the password as %40" in error


def test_the_generated_key_lies_beside_the_file_or_in_this_folder():
    assert settings(DATABASE_URL="sqlite:////data/mail.db").key_path == Path("/data/mail.key")
    assert settings(DATABASE_URL="postgresql:///mail").key_path == Path("email-service.key")
    assert settings(DATABASE_URL="postgresql:///mail").database_path is None


@pytest.mark.parametrize(
    ("text", "refused", "allowed"),
    [
        ("", {"exe", "js"}, {"pdf", "usual"}),
        ("usual, .DOCM", {"exe", "docm"}, {"pdf"}),
        ("docm,xlsm", {"docm", "xlsm"}, {"exe"}),
        ("none", set(), {"exe"}),
    ],
)
def test_the_owner_says_which_files_are_refused(text, refused, allowed):
    denied = service_rules(settings(ATTACHMENT_DENY=text)).intake.denied_files
    assert refused <= denied
    assert not allowed & denied


def test_an_extension_that_could_be_none_is_refused():
    assert "ATTACHMENT_DENY must be extensions" in errors(ATTACHMENT_DENY="exe;js")[0]
