"""What went wrong on the network, in words: one `ConnectError` for all of it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore

from cc_jupyter.core.errors import ConnectError
from cc_jupyter.transport.call import CONNECT_TIMEOUT_S, TIMED_OUT

if TYPE_CHECKING:
    from cc_jupyter.transport.call import Call

_NETWORK = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    zlib.error,
)


def explain(error: BaseException, call: Call) -> BaseException:
    """Word a failure of the network; a failure that is a bug stays as it is."""
    if not isinstance(error, _NETWORK):
        return error
    host = urlsplit(call.url).netloc
    hint = "check the network and the base URL (%cmd status)"
    code = None
    match error:
        case httpcore.ConnectTimeout():
            message = f"no connection to {host} within {CONNECT_TIMEOUT_S:.0f} s"
        case httpcore.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            message = f"the certificate of {host} could not be verified: {_reason(error)}"
            hint = "behind a company proxy, set SSL_CERT_FILE to its certificate"
        case httpcore.ConnectError():
            message = f"no connection to {host}: {_reason(error)}"
        case httpcore.ProxyError():
            message = f"the proxy refused the way to {host}: {_reason(error)}"
            hint = "check https_proxy and NO_PROXY"
        case httpcore.ReadTimeout():
            message = f"{host} sent nothing for {call.idle_timeout_s:g} s"
            hint = "CMD_IDLE_TIMEOUT_S sets how long to wait"
            code = TIMED_OUT
        case httpcore.WriteTimeout():
            message = f"{host} took nothing of the request for {call.idle_timeout_s:g} s"
            code = TIMED_OUT
        case httpcore.ProtocolError():
            reason = str(error).partition(": ")[0]  # what follows are bytes as they came
            message = f"the connection to {host} was lost: {reason}"
            hint = "run the cell again"
        case _:
            message = f"the connection to {host} was lost: {_reason(error)}"
            hint = "run the cell again"
    return ConnectError(message, hint=hint, code=code)


def _reason(error: Exception) -> str:
    """Give the system's words without its numbers: `[Errno 111] …` and `[SSL: …] …`."""
    text = str(error) or type(error).__name__
    return text.partition("] ")[2] or text
