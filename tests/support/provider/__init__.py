"""A provider on loopback for tests: it answers by itself, or plays a script to the byte.

```python
with Provider() as provider:
    provider.play(openai_stream(["Hel", "lo"], pause_s=0.01), ...)
    client = openai.OpenAI(base_url=provider.base_url + "/v1", api_key=KEY)
    ...
    assert provider.requests[0].json["model"] == "deepseek/deepseek-v4-flash"
```

`script` has the steps, `chat` and `claude` the two wire formats, `reply` what is answered without
a script, `refusals` what is refused, `burst` the models for measuring, `control` the way in from
another process. Only the standard library is used.
"""

from .chat import openai_json, openai_stream
from .claude import anthropic_json, anthropic_stream
from .models import KEY, MODELS, ODD_MODELS
from .prose import MARKDOWN, prose, tokens
from .record import Record
from .refusals import error
from .reply import answer
from .script import (
    before_reading,
    body,
    cut,
    end,
    hang,
    head,
    http,
    pause,
    pieces,
    raw,
    reset,
    sse,
    wait,
)
from .server import Provider
from .spoken import Tokens, ToolCall

__all__ = [
    "KEY",
    "MARKDOWN",
    "MODELS",
    "ODD_MODELS",
    "Provider",
    "Record",
    "Tokens",
    "ToolCall",
    "answer",
    "anthropic_json",
    "anthropic_stream",
    "before_reading",
    "body",
    "cut",
    "end",
    "error",
    "hang",
    "head",
    "http",
    "openai_json",
    "openai_stream",
    "pause",
    "pieces",
    "prose",
    "raw",
    "reset",
    "sse",
    "tokens",
    "wait",
]
