"""Which workers an executor has, and what is checked of them before anything is sent."""

from __future__ import annotations

import os
import socket
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeGuard

from cc_jupyter.client.endpoint import key_places
from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.version import __version__
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.rows.executors.transfer import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from cc_jupyter.rows.executors.pool import Pool
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session


@contextmanager
def workers_of(
    executor: object, session: Session, prepared: PreparedRequest, *, concurrency: int
) -> Iterator[Pool | None]:
    """Provide the workers of an executor; `None`: the kernel sends by itself.

    A cassette is the kernel's: while one is in use, workers do not send.

    Parameters
    ----------
    executor
        A `concurrent.futures.Executor` or a `distributed.Client`; `None`: none.
    prepared
        A request of the run; all go to its endpoint.

    Raises
    ------
    OptionError
        It is no executor, or the local model answers.
    ConfigError
        It is closed, or a worker cannot be used; nothing was sent.
    """
    if executor is None or session.tape(prepared.settings) is not None:
        yield None
        return
    if prepared.endpoint.served_by == LOCAL:
        raise OptionError(
            "the local model answers one request at a time, so an executor has no use",
            hint="leave executor= out",
        )
    with _open_pool(executor, session, prepared, concurrency) as pool:
        yield pool


def _open_pool(
    executor: object, session: Session, prepared: PreparedRequest, concurrency: int
) -> Pool:
    endpoint = prepared.endpoint
    places = key_places(prepared.settings, endpoint.api_root, key_env=prepared.spec.key_env)
    target = Target(endpoint.api_root, endpoint.served_by, places)
    elsewhere = target._replace(places=places._replace(has_stored=False))
    if isinstance(executor, Executor):
        host, process = _identity_of(executor)
        if (host, process) == _identity():
            return _threads(executor, session, prepared, target)
        if host == socket.gethostname():
            from cc_jupyter.rows.executors.processes import ProcessPool  # noqa: PLC0415  rarely used

            return ProcessPool(executor, target, concurrency=concurrency)
        from cc_jupyter.rows.executors.futures import FuturePool  # noqa: PLC0415  rarely used
        from cc_jupyter.rows.executors.sender import send_elsewhere  # noqa: PLC0415  as above

        return FuturePool(executor, partial(send_elsewhere, elsewhere, __version__))
    if is_dask_client(executor):
        from cc_jupyter.rows.executors.dask_cluster import DaskPool  # noqa: PLC0415  rarely used

        return DaskPool(executor, elsewhere)
    raise OptionError(
        f"executor= takes a concurrent.futures.Executor or a distributed.Client, and this is a"
        f" {type(executor).__name__}",
        hint="a Dask cluster is used through its client: Client(cluster)",
    )


def _threads(
    executor: Executor, session: Session, prepared: PreparedRequest, target: Target
) -> Pool:
    from cc_jupyter.rows.executors.futures import FuturePool  # noqa: PLC0415  rarely used
    from cc_jupyter.rows.executors.sender import Sender  # noqa: PLC0415  as above

    sender = Sender(target, session=session, endpoint=prepared.endpoint)
    return FuturePool(executor, sender.outcome, sender.stop)


def is_dask_client(executor: object) -> TypeGuard[Client]:
    """Return whether this is a client of Dask, without importing Dask to ask."""
    return any(
        each.__name__ == "Client" and each.__module__.partition(".")[0] == "distributed"
        for each in type(executor).__mro__
    )


def _identity() -> tuple[str, int]:
    """Return which process of which machine this is."""
    return socket.gethostname(), os.getpid()


def _identity_of(executor: Executor) -> tuple[str, int]:
    """Return where the executor's workers are, as one of them says.

    Raises
    ------
    ConfigError
        It runs nothing any more.
    """
    try:
        return executor.submit(_identity).result()
    except Exception as error:  # noqa: BLE001  whatever an executor raises
        reason = str(error) or type(error).__name__
        raise ConfigError(
            f"the executor runs nothing, so nothing was sent: {reason}",
            hint="make a new executor; its workers must be able to import cc_jupyter",
        ) from None
