"""The files in deploy/ name only what exists: settings, commands, paths, ports and files.

What cannot be started here is read by its own tool too where that is installed (docker-compose,
systemd-analyze, hadolint, kubectl).
"""

import hashlib
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore
from domain.account.network import DEFAULT_PORTS
from domain.account.network import NetworkPolicy as NetworkPolicyOfOurs
from entrypoints.cli.group import COMMANDS
from entrypoints.http import OPERATIONS
from entrypoints.http.openapi import build_document
from entrypoints.settings import Settings, variables
from tests.builders import OCTETS, an_email
from tests.lock import lock
from tests.running import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: Final[Mapping[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
OBJECTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
UNITS = sorted(DEPLOY.glob("*.service"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
SECRETS = ("SECRET_KEY", "SECRET_KEY_PREVIOUS", "DATABASE_URL", "CELERY_BROKER_URL")
THEIRS = {  # what the images of others read
    *("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"),
    *("RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"),
}
KEY = "3f9c1d07b2a84e65aa10c2d4e6f80912"
PATHS = build_document(OPERATIONS, version="any")["paths"]
DRAIN_S = float(variables()["DRAIN_SECONDS"])
DIGEST = "sha256:[0-9a-f]{64}"
# As measured (docs/operating/deployment.md, Memory): a process with a million waiting emails, and
# how many times its size a body takes while its emails are composed. A process takes four of the
# largest.
PROCESS_BYTES = 100 * 10**6
BODY_TAKES = 6.5
BODIES = 4
LARGEST_BODY = int(variables()["MAX_BODY_BYTES"])
WORKER_BYTES = 714 * 10**6  # twenty messages of 20 MB at once
API_BYTES = PROCESS_BYTES + BODY_TAKES * BODIES * LARGEST_BODY


def seconds(text: str) -> float:
    """60s, 2min or 60 as seconds."""
    number, unit = re.fullmatch(r"(\d+)(s|min|m)?", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * (60 if unit in ("m", "min") else 1)


def octets(text: str) -> float:
    """64m, 1g, 2G, 256Mi or 1Gi as octets; docker and systemd count by 1024 too."""
    number, unit = re.fullmatch(r"(\d+)([kmgKMG])i?", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * 1024.0 ** (1 + "kmg".index(unit.lower()))


def gunicorns_processes() -> int:
    found = re.search(r"^workers = (\d+)$", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def written_environment(path: Path) -> dict[str, str]:
    """A file of NAME=value lines."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def is_started(command: list[str]) -> bool:
    """Whether it is a command of ours, a server we configure, or a Celery application of ours."""
    program, *rest = command
    if Path(program).name == "email-service":
        return rest[0] in COMMANDS
    if Path(program).name == "gunicorn":
        return rest[-1] == "entrypoints.wsgi:create_app()"
    if program == "celery":
        module = ROOT / (rest[rest.index("-A") + 1].replace(".", "/") + ".py")
        return module.is_file() and bool({"worker", "beat"} & set(rest))
    return False


def run_tool(*command: object) -> "subprocess.CompletedProcess[str]":
    words = list(map(str, command))
    return subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=ROOT)


# -- compose ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_started_again_watched_and_given_time_to_end(name: str) -> None:
    service = SERVICES[name]
    once = name == "migrate"

    assert service["restart"] == ("no" if once else "unless-stopped")
    assert service["logging"]["options"]["max-size"]
    assert "test" in service["healthcheck"] or service["healthcheck"] == {"disable": True}
    assert seconds(service["stop_grace_period"]) >= DRAIN_S + 15
    if name in OURS:
        assert service["environment"]["DRAIN_SECONDS"] == f"{DRAIN_S:g}"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


@pytest.mark.parametrize("name", OURS)
def test_a_service_writes_no_core_and_has_the_memory_that_it_was_measured_to_need(
    name: str,
) -> None:
    service = OURS[name]
    [temporary] = service["tmpfs"]
    place, options = temporary.split(":")
    size = dict(part.partition("=")[::2] for part in options.split(","))["size"]

    assert service["ulimits"] == {"core": 0}
    assert place == "/tmp"
    assert octets(size) >= BODIES * LARGEST_BODY
    needed = {"migrate": PROCESS_BYTES, "api": gunicorns_processes() * API_BYTES}
    assert octets(service["mem_limit"]) >= needed.get(name, WORKER_BYTES)


def test_images_of_others_are_pinned_by_their_digest_or_say_why_not() -> None:
    without = {
        name
        for name, service in SERVICES.items()
        if name not in OURS and not re.fullmatch(rf"[a-z]+:[a-z0-9.-]+@{DIGEST}", service["image"])
    }

    assert without <= {"rabbitmq"}  # its record does not have the tag: deploy/pin-images pins it
    page = (ROOT / "docs/operating/deployment.md").read_text("utf-8")
    assert "pins RabbitMQ's" in " ".join(page.split())


def test_pin_images_writes_the_digest_of_today_behind_every_tag(tmp_path: Path) -> None:
    folder = shutil.copytree(DEPLOY, tmp_path / "deploy")
    docker = tmp_path / "docker"
    docker.write_text(
        '#!/bin/sh\n[ "$1" = image ] || exit 0\n'
        'echo "${5%%:*}@sha256:$(echo "$5" | sha256sum | cut -d" " -f1)"\n'
    )
    docker.chmod(0o755)

    done = subprocess.run(
        [folder / "pin-images"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    tags = ["python:3.11-slim-bookworm", "postgres:16-bookworm", "rabbitmq:3.13-alpine"]
    wanted = [f"{t}@sha256:{hashlib.sha256(f'{t}{chr(10)}'.encode()).hexdigest()}" for t in tags]
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == wanted
    assert f"ARG PYTHON={wanted[0]}\n" in (folder / "Dockerfile").read_text()
    compose = (folder / "compose.yaml").read_text()
    assert [f"    image: {image}\n" in compose for image in wanted[1:]] == [True, True]
    assert re.sub(f"@{DIGEST}", "", compose) == re.sub(
        f"@{DIGEST}", "", (DEPLOY / "compose.yaml").read_text()
    )


def test_a_service_waits_for_what_it_needs() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            once = other == "migrate"
            assert how["condition"] == (
                "service_completed_successfully" if once else "service_healthy"
            )
            assert once or "test" in SERVICES[other]["healthcheck"]


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_runs_something_there_is(name: str) -> None:
    command = OURS[name].get("command") or docker_command("CMD")

    assert is_started(command)


def test_the_port_of_the_api_is_open_to_this_machine_only() -> None:
    [port] = SERVICES["api"]["ports"]

    assert port == "127.0.0.1:{0}:{0}".format(SERVICES["api"]["environment"]["PORT"])
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["api"]


def test_what_is_kept_is_on_a_volume_that_is_declared() -> None:
    used = {volume.split(":")[0] for s in SERVICES.values() for volume in s.get("volumes", ())}

    assert used == set(COMPOSE["volumes"]) == {"postgres", "rabbitmq"}


def test_compose_reads_it(tmp_path: Path) -> None:
    assert {name for name in COMPOSE if not name.startswith("x-")} == {"services", "volumes"}
    assert all("image" in service for service in SERVICES.values())
    if not shutil.which("docker-compose"):
        return
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    for example in DEPLOY.glob("*.env.example"):
        shutil.copy(example, tmp_path / "deploy" / example.stem)

    done = run_tool("docker-compose", "-f", tmp_path / "deploy/compose.yaml", "config", "-q")

    assert done.returncode == 0, done.stderr


# -- Kubernetes ------------------------------------------------------------------------------------


def objects(kind: str) -> dict[str, Any]:
    return {o["metadata"]["name"]: o for o in OBJECTS if o["kind"] == kind}


DEPLOYMENTS = objects("Deployment")


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_is_found_by_its_labels_and_may_do_nothing_more(name: str) -> None:
    spec = DEPLOYMENTS[name]["spec"]
    pod = spec["template"]["spec"]

    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["containers"], *pod["initContainers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert is_started(container.get("command") or docker_command("CMD"))
        named = {next(iter(source.values()))["name"] for source in container["envFrom"]}
        assert named == {"email-service"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_has_more_time_to_end_than_its_drain(name: str) -> None:
    pod = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    pauses = [c.get("lifecycle", {}).get("preStop") for c in pod["containers"]]
    pause = sum(float(p["exec"]["command"][1]) for p in pauses if p)

    assert pod["terminationGracePeriodSeconds"] >= pause + DRAIN_S + 15


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_has_the_memory_that_was_measured_and_a_bound_on_its_disk(name: str) -> None:
    pod = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    api = name == "email-service-api"
    needed = gunicorns_processes() * API_BYTES if api else WORKER_BYTES

    for container in pod["containers"]:
        asked = container["resources"]
        assert octets(asked["limits"]["memory"]) >= needed
        assert PROCESS_BYTES <= octets(asked["requests"]["memory"]) <= needed * 3
    for container in pod["initContainers"]:
        assert octets(container["resources"]["limits"]["memory"]) >= PROCESS_BYTES
    volumes = {volume["name"]: volume["emptyDir"] for volume in pod["volumes"]}
    assert set(volumes) == {"tmp"}
    assert octets(volumes["tmp"]["sizeLimit"]) >= BODIES * LARGEST_BODY


POLICIES = objects("NetworkPolicy")


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_is_called_by_whom_it_serves_and_calls_what_it_needs(name: str) -> None:
    [pod] = [p["spec"] for p in POLICIES.values() if selects(p, DEPLOYMENTS[name])]
    api = name == "email-service-api"

    assert pod["policyTypes"] == ["Ingress", "Egress"]
    assert [rule["ports"] for rule in pod["ingress"]] == (
        [[{"port": "http", "protocol": "TCP"}]] if api else []
    )
    assert all(rule["from"] for rule in pod["ingress"])
    names, database, mail = pod["egress"]
    assert {(p["port"], p["protocol"]) for p in names["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert [p["port"] for p in database["ports"]] == [5432]
    assert {p["port"] for p in mail["ports"]} == DEFAULT_PORTS


def selects(policy: Mapping[str, Any], deployment: Mapping[str, Any]) -> bool:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    return bool(policy["spec"]["podSelector"]["matchLabels"] == labels)


@pytest.mark.parametrize("name", POLICIES)
def test_mail_goes_to_no_address_that_the_service_refuses_in_production(name: str) -> None:
    """The metadata of clouds and private networks among them: a second fence behind our own."""
    allows = NetworkPolicyOfOurs(private=False).allows
    blocks = [to["ipBlock"] for to in POLICIES[name]["spec"]["egress"][2]["to"]]

    for address in ("169.254.169.254", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"):
        assert not allows(ip_address(address))
        assert not is_open(blocks, address)
    for address in ("fd00::1", "fe80::1"):
        assert not allows(ip_address(address))
        assert not is_open(blocks, address)
    for address in ("8.8.8.8", "2606:4700::1111"):
        assert allows(ip_address(address))
        assert is_open(blocks, address)


def is_open(blocks: list[dict[str, Any]], text: str) -> bool:
    address = ip_address(text)
    return any(
        address in ip_network(block["cidr"])
        and not any(address in ip_network(other) for other in block["except"])
        for block in blocks
    )


def test_every_probe_asks_for_a_path_that_the_app_answers() -> None:
    [api] = DEPLOYMENTS["email-service-api"]["spec"]["template"]["spec"]["containers"]
    [port] = api["ports"]
    asked = {name: api[name]["httpGet"] for name in api if name.endswith("Probe")}

    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {probe["path"] for probe in asked.values()} <= set(PATHS)
    assert {probe["port"] for probe in asked.values()} == {port["name"]}
    settings = objects("ConfigMap")["email-service"]["data"]
    assert str(port["containerPort"]) == settings["PORT"]


def test_what_speaks_of_pods_finds_them() -> None:
    labels = [d["spec"]["selector"]["matchLabels"] for d in DEPLOYMENTS.values()]
    budgets = objects("PodDisruptionBudget").values()
    [service] = objects("Service").values()

    assert [budget["spec"]["selector"]["matchLabels"] for budget in budgets] == labels
    assert service["spec"]["selector"] == labels[0]
    [scaled] = objects("ScaledObject").values()
    assert scaled["spec"]["scaleTargetRef"]["name"] in DEPLOYMENTS
    [trigger] = scaled["spec"]["triggers"]
    [authentication] = objects("TriggerAuthentication").values()
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    assert authentication["spec"]["secretTargetRef"][0]["key"] == "DATABASE_URL"


def test_the_query_of_the_autoscaler_counts_what_waits_now(tmp_path: Path) -> None:
    from domain.email.status import Status

    [scaled] = objects("ScaledObject").values()
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    store = SqliteStore(tmp_path / "mail.db", clock=FakeClock())
    store.migrate()

    def answer() -> int:
        rows = store.read(lambda tx: tx.session.execute(query).fetchall())  # type: ignore[attr-defined]
        return int(rows[0][0])

    assert answer() == 0
    for status in (Status.QUEUED, Status.QUEUED, Status.RETRY, Status.SCHEDULED, Status.SENT):
        store.write(lambda tx, status=status: tx.emails.add(an_email(status=status), OCTETS))
    assert answer() == 3
    store.close()


def test_kubectl_reads_it(tmp_path: Path) -> None:
    assert all({"apiVersion", "kind", "metadata"} <= set(o) for o in OBJECTS)
    assert len({(o["kind"], o["metadata"]["name"]) for o in OBJECTS}) == len(OBJECTS)
    if not shutil.which("kubectl"):
        return
    shutil.copy(DEPLOY / "kubernetes.yaml", tmp_path)
    (tmp_path / "kustomization.yaml").write_text("resources: [kubernetes.yaml]\n")

    done = run_tool("kubectl", "kustomize", tmp_path)

    assert done.returncode == 0, done.stderr
    assert len(list(yaml.safe_load_all(done.stdout))) == len(OBJECTS)


# -- systemd ---------------------------------------------------------------------------------------


def directives(unit: Path) -> dict[str, list[str]]:
    """Section.Name and its values in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in unit.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found[f"{section}.{name}"].append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_what_there_is_and_waits_for_the_drain(unit: Path) -> None:
    told = directives(unit)
    [start] = told["Service.ExecStart"]

    assert is_started(shlex.split(start))
    assert seconds(told["Service.TimeoutStopSec"][0]) >= DRAIN_S + 15
    assert told["Service.RestartPreventExitStatus"] == ["2"]
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome"):
        assert told[f"Service.{name}"] == ["yes"]
    assert told["Service.ProtectSystem"] == ["strict"]
    assert told["Service.User"] == ["email-service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_writes_no_core_and_has_the_memory_that_was_measured(unit: Path) -> None:
    told = directives(unit)
    api = unit.name == "email-service.service"

    assert told["Service.LimitCORE"] == ["0"]
    [most] = told["Service.MemoryMax"]
    assert octets(most) >= (gunicorns_processes() * API_BYTES if api else WORKER_BYTES)


def test_the_database_of_the_units_lies_where_they_may_write() -> None:
    for unit in UNITS:
        told = directives(unit)
        environment = dict(value.split("=", 1) for value in told["Service.Environment"])
        folder = f"/var/lib/{told['Service.StateDirectory'][0]}/"
        assert environment["DATABASE_URL"].startswith(f"sqlite:///{folder}")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_it_and_finds_it_hardened(unit: Path, tmp_path: Path) -> None:
    assert {name.split(".")[0] for name in directives(unit)} == {"Unit", "Service", "Install"}
    if not shutil.which("systemd-analyze"):
        return
    copy = tmp_path / unit.name.replace("@", "@1")
    text = unit.read_text("utf-8")
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))

    verified = run_tool("systemd-analyze", "verify", "--man=no", copy)
    judged = run_tool("systemd-analyze", "security", "--offline=yes", "--threshold=20", copy)

    assert (verified.returncode, verified.stderr) == (0, "")
    assert judged.returncode == 0, judged.stdout[-400:]


# -- the image -------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def docker_pairs(name: str) -> list[str]:
    return [p for word, rest in last_stage() if word == name for p in shlex.split(rest)]


def docker_command(name: str) -> list[str]:
    [command] = [yaml.safe_load(rest) for word, rest in last_stage() if word == name]
    return list(command)


def last_stage() -> list[tuple[str, str]]:
    told = instructions()
    return told[max(i for i, (word, _) in enumerate(told) if word == "FROM") :]


def test_the_image_is_built_in_stages_and_runs_as_an_unprivileged_user() -> None:
    told = last_stage()
    users = [rest for word, rest in told if word == "USER"]

    assert sum(word == "FROM" for word, _ in instructions()) == 2
    assert users == ["10001:10001"]
    assert [word for word, _ in told].index("USER") < [word for word, _ in told].index("CMD")
    assert is_started(docker_command("CMD"))
    [health] = [rest for word, rest in told if word == "HEALTHCHECK"]
    assert "/healthz" in health
    assert "/healthz" in PATHS


def test_the_image_holds_no_secret_and_an_exact_python() -> None:
    [python] = [rest.split("=", 1)[1] for word, rest in instructions() if word == "ARG"]
    assert re.fullmatch(rf"python:3\.(1[1-9]|[2-9]\d)-slim-\w+@{DIGEST}", python)
    for word, rest in instructions():
        if word in ("ARG", "ENV"):
            assert not re.search(r"(SECRET|PASSWORD|TOKEN)\w*=", rest)


def test_everything_the_image_copies_is_there_and_is_sent_to_the_builder() -> None:
    sent = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = [
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]

    assert len(copied) >= 9
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in sent
    assert "*" in sent


def test_the_image_installs_what_is_pinned_and_nothing_else() -> None:
    steps = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert len(steps) == 2
    assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(steps[0].split())
    assert re.findall(r"-r requirements/(\w+)\.txt", steps[0]) == ["build", "image"]
    assert {"--no-deps", "--no-build-isolation"} <= set(steps[1].split())
    assert steps[1].endswith("&& pip check")
    assert "gunicorn" in {pin.name for pin in lock("image")}
    assert set(lock("run")) <= set(lock("image"))


def test_hadolint_finds_nothing() -> None:
    words = {word for word, _ in instructions()}
    assert words == {
        *("ARG", "FROM", "WORKDIR", "RUN", "ENV", "COPY"),
        *("USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"),
    }
    if not shutil.which("hadolint"):
        return
    done = run_tool("hadolint", DEPLOY / "Dockerfile")

    assert (done.returncode, done.stdout) == (0, "")


# -- the environment -------------------------------------------------------------------------------


def environments() -> Iterator[tuple[str, dict[str, str]]]:
    """Every set of variables that a paper gives to this service."""
    secrets = written_environment(DEPLOY / "email-service.env.example")
    for name, service in OURS.items():
        yield f"compose {name}", secrets | service["environment"]
    settings = objects("ConfigMap")["email-service"]["data"]
    yield "kubernetes", secrets | settings
    for unit in UNITS:
        given = dict(value.split("=", 1) for value in directives(unit)["Service.Environment"])
        yield unit.name, given | {"SECRET_KEY": ""}
    given = dict(pair.split("=", 1) for pair in docker_pairs("ENV"))
    known = {name: value for name, value in given.items() if name in variables()}
    assert set(given) - set(known) == {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    yield "Dockerfile", known | {"SECRET_KEY": ""}


ENVIRONMENTS = dict(environments())


@pytest.mark.parametrize("paper", ENVIRONMENTS)
def test_every_variable_is_a_setting_and_every_value_is_accepted(paper: str) -> None:
    given = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", text) for name, text in ENVIRONMENTS[paper].items()
    }

    assert set(given) <= set(variables())
    settings = Settings.from_environment(given | {"SECRET_KEY": KEY})
    assert settings.production
    assert settings.drain.total_seconds() == DRAIN_S


def test_no_service_is_given_another_services_secrets() -> None:
    for name, service in SERVICES.items():
        file = "email-service.env" if name in OURS else f"{name}.env"
        assert service["env_file"] == file
        assert set(written_environment(DEPLOY / f"{file}.example")) <= (
            set(SECRETS) if name in OURS else THEIRS
        )


def test_no_paper_holds_a_secret() -> None:
    secrets = {
        name: text
        for file in DEPLOY.glob("*.env.example")
        for name, text in written_environment(file).items()
    }
    assert secrets.pop("SECRET_KEY") == ""
    assert all(
        text == "" or "PASSWORD" in text or "_USER" in name for name, text in secrets.items()
    )
    for service in SERVICES.values():
        assert not set(SECRETS) & set(service.get("environment", ()))
    settings = objects("ConfigMap")["email-service"]["data"]
    assert not set(SECRETS) & set(settings)
    assert all(o["kind"] != "Secret" for o in OBJECTS)
