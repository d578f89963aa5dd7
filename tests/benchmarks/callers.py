"""One client in a process of its own, which tells what its calls cost.

    python tests/benchmarks/callers.py {moderate|sdk} ADDRESS BUNDLE CALLS

32 threads make one call each at the same moment, over connections that nobody has opened yet; then they make so many
calls together. Prints as JSON the seconds until all of the first calls were answered, and the processor's milliseconds
for each of the others.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

THREADS = 32
_SERVICE = "baselineCheck_global"
_IMAGE = "https://example.com/image.png"
_KEY = ("LTAIbenchmark", "no-secret")


def _moderate(address: str, bundle: str) -> Callable[[], object]:
    """Return a call of this program's client, which trusts what REQUESTS_CA_BUNDLE names."""
    from moderate_cli.client import Credentials, GreenClient, ImageUrl

    client = GreenClient(Credentials(*_KEY), endpoint=address, queries_per_second=1e6)
    return lambda: client.image_moderation(_SERVICE, ImageUrl(_IMAGE))


def _sdk(address: str, bundle: str) -> Callable[[], object]:
    """Return a call of the vendor's SDK, its synchronous side."""
    from alibabacloud_green20220302 import models
    from alibabacloud_green20220302.client import Client
    from alibabacloud_tea_openapi.utils_models import Config

    key_id, secret = _KEY
    host = urlsplit(address).netloc
    client = Client(Config(access_key_id=key_id, access_key_secret=secret, endpoint=host, ca=bundle))
    parameters = json.dumps({"imageUrl": _IMAGE})
    request = models.ImageModerationRequest(service=_SERVICE, service_parameters=parameters)
    return lambda: client.image_moderation(request)


def _together(call: Callable[[], object], calls: int) -> float:
    """Make so many calls with each thread, all of which begin at once; return the seconds until the last answer."""
    ready = threading.Barrier(THREADS + 1)
    failures: list[BaseException] = []

    def work() -> None:
        ready.wait()
        try:
            for _ in range(calls):
                call()
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - started


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(which: str, address: str, bundle: str, calls: int) -> None:
    """Measure one client."""
    call = {"moderate": _moderate, "sdk": _sdk}[which](address, bundle)
    first = _together(call, 1)
    before = _processor()
    each = calls // THREADS
    _together(call, each)
    print(json.dumps({"first": first, "cpu_ms": (_processor() - before) * 1000 / max(1, each * THREADS)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
