"""An example of a dispatcher: a thread for each batch."""

import time
from threading import Event, Thread

from application import Application
from application.delivery import Batch
from application.ports.system import Observe
from domain.errors import StoreUnavailable
from domain.events import Event as Happened


class ThreadPerBatch:
    """Delivers in this process, which must be the only one: it asks for no leader's lock."""

    def __init__(
        self, application: Application, *, hint: Event, observe: Observe, most: int = 64
    ) -> None:
        self._delivery = application.delivery
        self._membership = application.membership
        self._maintenance = application.maintenance
        self._hint = hint
        self._observe = observe
        self._most = most
        self._stopping = Event()
        self._feeder = Thread(target=self._feed, daemon=True)
        self._under_way: dict[Thread, Batch] = {}

    def start(self) -> None:
        """Begin to deliver."""
        self._feeder.start()

    def drain(self, *, timeout: float) -> bool:
        """Stop; True if an unknown outcome or an unwritten result is left."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        self._hint.set()
        if self._feeder.is_alive():
            self._feeder.join()
        self._wait(until=deadline)
        self._delivery.abort()  # whoever has not passed the final dot ends now
        self._wait(until=time.monotonic() + 2)
        left = [batch for thread, batch in self._under_way.items() if thread.is_alive()]
        unknown = [self._delivery.abandon(batch) for batch in left]
        written = self._delivery.flush(timeout=2)
        self._membership.leave()
        return any(unknown) or not written

    def _feed(self) -> None:
        while not self._stopping.is_set():
            self._hint.clear()  # before the look: a hint that comes meanwhile is not lost
            try:
                self._look()
            except StoreUnavailable as error:
                self._tell("store_unavailable", error)
                self._stopping.wait(0.1)
            self._hint.wait(0.05)  # hints may be lost, so it looks without one too

    def _look(self) -> None:
        instance = self._membership.beat()
        self._maintenance.sweep()  # takes from the dead, ends what is too old
        self._delivery.retry_writes()
        self._under_way = {t: batch for t, batch in self._under_way.items() if t.is_alive()}
        room = self._most - len(self._under_way)
        for batch in self._delivery.claim(instance, places=room) if room else ():
            thread = Thread(target=self._deliver, args=(batch,), daemon=True)
            self._under_way[thread] = batch
            thread.start()

    def _deliver(self, batch: Batch) -> None:
        try:
            self._delivery.deliver(batch, stopping=self._stopping.is_set)
        except BaseException as error:  # whatever it is: no claimed email is left without a worker
            self._tell("worker_died", error)
            self._delivery.abandon(batch)
        self._hint.set()

    def _wait(self, *, until: float) -> None:
        for thread in self._under_way:
            thread.join(max(0.0, until - time.monotonic()))

    def _tell(self, name: str, error: BaseException) -> None:
        self._observe(Happened(name=name, fields={"text": str(error)}))
