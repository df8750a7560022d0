"""Benchmarks of emails that a template writes, beside the same emails with ready HTML."""

from typing import Any, Final

from tests.benchmarks.client import volley
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import Filling, fill
from tests.benchmarks.serving import service
from tests.running import Running

EMAILS: Final = 500
VARIABLES: Final = 10
TEMPLATE: Final[dict[str, Any]] = {
    "name": "news",
    "subject": "News for {{ v0 }}",
    "html": "<html><head><style>td { color: #222 } p { margin: 0 }</style></head><body><table>"
    + "".join(
        f"<tr><td>Dear {{{{ v{n} }}}}, this row has a few words more than the one before it, and a"
        f' <a href="https://example.org/{{{{ v{n} }}}}/read?from=news">link</a>.</td></tr>'
        for n in range(VARIABLES)
    )
    + "</table><p>"
    + "You get this mail because you asked for it. " * 4
    + "</p></body></html>",
    "variables": {f"v{n}": {"sample": f"value{n}"} for n in range(VARIABLES)},
}


def template(scene: Scene) -> Reached:
    """Batches of 500: one template for all of them, and the HTML that comes of it in each."""
    fill(scene.folder / "service.db", Filling(emails=0, port=2525))
    values = {name: variable["sample"] for name, variable in TEMPLATE["variables"].items()}
    recipients = [f"ada{n}@example.org" for n in range(EMAILS)]
    with service(scene, DISPATCHER="none") as running:
        ready = published(running)
        templated = _rate(
            scene,
            running,
            {
                "template": {"name": TEMPLATE["name"]},
                "to": [{"recipient": one, "variables": values} for one in recipients],
            },
        )
        emails = [
            {"recipients": [one], "subject": ready["subject"], "html_content": ready["html"]}
            for one in recipients
        ]
        plain = _rate(scene, running, {"emails": emails})
    return {
        "POST of 500 emails by a template of 2 kB": templated,
        "POST of 500 emails with ready HTML": plain,
        "by a template, of the rate with ready HTML": templated / plain,
    }


def published(running: Running) -> Any:
    """What the template comes to; it is published."""
    for path, body, expected in (
        ("/api/templates", TEMPLATE, 201),
        ("/api/templates/news/publish", {}, 200),
        ("/api/templates/news/preview", {}, 200),
    ):
        status, answer = running.post(path, body)
        assert status == expected, answer
    return answer


def _rate(scene: Scene, running: Running, body: Any) -> float:
    number = scene.size(40, 2)
    done = volley(running.url, number=number, clients=2, path="/api/emails/batch", body=body)
    assert set(done.statuses) == {"201"}, done.statuses
    return done.rate * EMAILS


BENCHMARKS: Final = (
    Benchmark(
        name="template",
        about="40 POSTs of 500 emails each, 2 clients, one process that does not deliver",
        figures=(
            Figure(name="POST of 500 emails by a template of 2 kB", unit="/s", least=3000),
            Figure(name="POST of 500 emails with ready HTML", unit="/s"),
            Figure(name="by a template, of the rate with ready HTML", unit="×"),
        ),
        run=template,
    ),
)
