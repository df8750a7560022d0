"""Every experiment, with the sizes of its long and its short run."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import attrs

from tests.faults import (
    brokers,
    erasures,
    frozen,
    fuzz,
    goodbyes,
    inboxes,
    kills,
    limits,
    matrix,
    model_check,
    neighbours,
    oauth_backlog,
    outages,
    parts,
    processes,
    real_servers,
    requirements,
    servers,
    soak,
    storage,
    submissions,
    tokens,
    webhooks,
)
from tests.faults.harness import Numbers
from tests.faults.private_brokers import PrivateRabbitMQ


def _frozen(sizes: Mapping[str, object] | None) -> Mapping[str, object] | None:
    return None if sizes is None else dict(sizes)


@attrs.frozen(kw_only=True)
class Experiment:
    """*run* proves it in a folder of its own; *short* are the sizes for CI, None if it is not run
    there. Each of *needs* raises MissingRequirement on a machine where it cannot be run."""

    name: str
    claim: str
    run: Callable[..., Numbers]
    needs: tuple[Callable[[], object], ...] = ()
    short: Mapping[str, object] | None = attrs.field(default=None, converter=_frozen)

    def __call__(self, folder: Path, *, short: bool = False) -> Numbers:
        sizes = (self.short or {}) if short else {}
        return self.run(folder, **sizes)


EXPERIMENTS = (
    Experiment(
        name="E01",
        claim="kill -9 at random loses nothing and copies only what had no result yet",
        run=kills.kill_at_random,
        short={"emails": 1000, "kills": 5, "restart_s": 30.0},
    ),
    Experiment(
        name="START",
        claim="a process killed while it takes over leaves nothing that delays the next one",
        run=kills.kill_at_the_start,
        short={"kills": 4, "restart_s": 20.0},
    ),
    Experiment(
        name="E02",
        claim="kill -9 after the final dot: two copies at most, one if held, and it is shown",
        run=kills.kill_behind_the_dot,
    ),
    Experiment(
        name="POISON",
        claim="killed repeatedly in one email's dialogue, the service gives up only that email",
        run=kills.killed_in_one_dialogue,
        short={"emails": 60},
    ),
    Experiment(
        name="PARTS",
        claim="kill -9 amid uploads and emails with files loses, damages and leaves over nothing",
        run=parts.killed_with_files,
        short={"emails": 60, "kills": 3},
    ),
    Experiment(
        name="INTAKE",
        claim="kill -9 while mail comes in by SMTP: each 250 is stored once, sent again or not",
        run=submissions.killed_while_mail_comes,
        short={"messages": 200, "kills": 2},
    ),
    Experiment(
        name="ERASE",
        claim="a person erased under kill -9 is in no file, and all other mail arrives",
        run=erasures.erased_under_load,
        short={"of_person": 60, "emails": 200, "kills": 3},
    ),
    Experiment(
        name="FROZEN",
        claim="a process frozen before its final dot and resumed without its lease sends no copy",
        run=frozen.thawed_after_its_lease,
        needs=(requirements.postgres,),
        short={"freezes": 2},
    ),
    Experiment(
        name="E03",
        claim="SIGTERM loses and copies nothing, and exits with 0 in time",
        run=kills.asked_to_stop,
    ),
    Experiment(
        name="E05",
        claim="whatever a server does at RSET and QUIT changes nothing about any email",
        run=goodbyes.goodbyes_go_wrong,
        short={"emails": 150, "refused": 1, "rounds": 1, "least_share": 0.2},
    ),
    Experiment(
        name="E06",
        claim="no rolling window holds more than the limit, of many processes on PostgreSQL",
        run=servers.limits_hold_over_many_processes,
        needs=(requirements.postgres,),
        short={"seconds": 12},
    ),
    Experiment(
        name="E07",
        claim="no rolling window holds more than the limit, while processes die",
        run=limits.limits_hold_while_processes_die,
        short={"seconds": 18, "kill_every_s": 5, "slow_seconds": 6, "least_used": 0.5},
    ),
    Experiment(
        name="E09",
        claim="steps of the wall clock lose, copy and overstep nothing",
        run=limits.the_clock_steps,
        needs=(requirements.libfaketime,),
    ),
    Experiment(
        name="E10",
        claim="on PostgreSQL two workers are killed in turn: nothing is lost, little is copied",
        run=servers.workers_are_killed,
        needs=(requirements.postgres,),
        short={"emails": 400, "kills": 3},
    ),
    Experiment(
        name="E11",
        claim="of many processes on one file one delivers, and nothing goes out twice",
        run=processes.many_processes,
    ),
    Experiment(
        name="E12",
        claim="a broker that dies, forgets or repeats itself loses and copies nothing",
        run=brokers.the_broker_fails,
        needs=(requirements.redis_server,),
        short={"emails": 400, "kills": 1, "restarts": 1, "flushes": 1, "resumes_s": 60.0},
    ),
    Experiment(
        name="E13",
        claim="crashes of the PostgreSQL server lose nothing and cause 503 responses only",
        run=servers.the_server_crashes,
        needs=(requirements.postgres_of_our_own,),
        short={"emails": 300, "restarts": 2},
    ),
    Experiment(
        name="E14",
        claim="one Idempotency-Key is one email, also when the answer was lost",
        run=processes.clients_repeat,
        short={"threads": 50, "kills": 4},
    ),
    Experiment(
        name="E15",
        claim="a locked database causes timely 503 responses only",
        run=storage.the_database_is_locked,
        short={"emails": 200, "locks": 1, "slowest_s": 9.0},
    ),
    Experiment(
        name="E16",
        claim="a full disk causes 503 responses, and delivery resumes by itself",
        run=storage.the_disk_is_full,
        needs=(requirements.small_disks,),
    ),
    Experiment(
        name="E17",
        claim="201 is written after the fdatasync of its commit, on every connection",
        run=storage.the_order_of_the_writes,
        needs=(requirements.strace,),
    ),
    Experiment(
        name="E18",
        claim="every fault at every stage ends as the reply rules say",
        run=matrix.every_fault_at_every_stage,
        short={"stages": ("starttls", "tls", "body", "dot"), "storm_s": 5},
    ),
    Experiment(
        name="E19",
        claim="a slow neighbour takes nothing from a healthy account",
        run=neighbours.slow_neighbours,
    ),
    Experiment(
        name="E20",
        claim="endless replies do not fill the memory",
        run=neighbours.endless_replies,
    ),
    Experiment(
        name="BLAME",
        claim="a recipient for whom the server always fails delays no other mail",
        run=neighbours.one_bad_recipient,
        short={"emails": 100, "within_s": 60},
    ),
    Experiment(
        name="DEAD",
        claim="mail for any account is sent by the healthy ones, evenly, beside dead ones",
        run=neighbours.dead_accounts,
        short={"emails": 600, "within_s": 90},
    ),
    Experiment(
        name="E24",
        claim="the lowest priority always gets its share; without it the order is strict",
        run=neighbours.the_lowest_priority_is_served,
        short={"seconds": 2, "low": 20, "backlog": 40, "judge_share": False},
    ),
    Experiment(
        name="E26",
        claim="generated calls get no answer that the contract does not describe",
        run=fuzz.generated_calls_find_nothing,  # short: it is a test of its own
    ),
    Experiment(
        name="E27",
        claim="random histories with crashes at every commit follow the model",
        run=model_check.histories_follow_the_model,
        short={"seeds": 1, "histories": 10, "steps": 50, "sqlite_histories": 4},
    ),
    Experiment(
        name="E28",
        claim="killing workers, broker and PostgreSQL in one run loses nothing, oversteps nothing",
        run=outages.everything_is_killed,
        needs=(requirements.redis_server, requirements.postgres_of_our_own),
        short={
            "emails": 160,
            "outages": ("worker", "broker", "database", "worker+broker+database"),
            "per_second": 20,
            "limit": 8,
        },
    ),
    Experiment(
        name="E29",
        claim="the same with RabbitMQ as the broker, which is away longer and keeps its queue",
        run=partial(outages.everything_is_killed, make_broker=PrivateRabbitMQ),
        needs=(requirements.rabbitmq_server, requirements.postgres_of_our_own),
    ),
    Experiment(
        name="SOAK",
        claim="one account, one connection, one thread: in every second something is handed off",
        run=soak.one_of_each,
        short={"seconds": 6, "longest_s": 3.0, "depth": 500},
    ),
    *(
        Experiment(
            name=f"REAL-{name}",
            claim=f"{name}, reloaded, stopped and killed at work, gets every email",
            run=partial(real_servers.real_server, name=name),
            needs=(partial(real_servers.needed, name=name),),
        )
        for name in ("Postfix", "Exim", "OpenSMTPD", "Dovecot", "Haraka", "smtp-server")
    ),
    Experiment(
        name="TOKENS",
        claim="processes that need a token at once refresh it once, and kill -9 loses none",
        run=tokens.one_refresh,
        short={"rounds": 3},
    ),
    Experiment(
        name="OAUTH",
        claim="a backlog outlives its tokens: none failed, no copy, 95 % of a password's pace",
        run=oauth_backlog.a_backlog_outlives_its_tokens,
        # the pace of 400 emails says nothing on a machine that does other things
        short={"emails": 400, "rounds": 1, "short_s": 1, "least_share": 0.0},
    ),
    Experiment(
        name="INBOX",
        claim="an inbox with hostile mail, read by processes that are killed, from a server that"
        " is stopped and numbers it anew: every bounce is one event",
        run=inboxes.every_bounce_once,
        short={"bounces": 60, "hostile": 120, "kills": 3},
    ),
    Experiment(
        name="WEBHOOK",
        claim="kill -9 between a result and its webhook: each event comes, none before its commit",
        run=webhooks.killed_before_the_call,
        short={"emails": 200, "kills": 4},
    ),
    Experiment(
        name="WEBHOOK-BAD",
        claim="receivers that hang, drip, redirect or fail delay no email and no other webhook",
        run=webhooks.bad_receivers,
        short={"emails": 100, "each": 1},
    ),
)
