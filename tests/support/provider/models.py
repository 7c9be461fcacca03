"""The models of `GET /v1/models`, and the little that the provider knows beyond that list.

Source: provider-api.md, sections 4, 5 and 10 (state of 2026-10-08).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

KEY = "user_test_0123456789abcdef"
CREATED = 1790000000

Spelling: TypeAlias = Literal[
    "reasoning", "reasoning_content", "reasoning_details", "deepseek", "openai"
]
"""Where reasoning stands on the OpenAI wire; the last two are families that use two places."""

CHAT = ("/chat/completions",)
CHAT_AND_RESPONSES = ("/chat/completions", "/responses")
MESSAGES = ("/messages",)


def entry(
    model: str, name: str, context_length: object, endpoints: tuple[str, ...] | None
) -> dict[str, Any]:
    """Return one entry of the list; `None` leaves `supported_endpoints` out."""
    fields: dict[str, Any] = {
        "id": model,
        "object": "model",
        "created": CREATED,
        "owned_by": "command-code",
        "name": name,
        "context_length": context_length,
    }
    if endpoints is not None:
        fields["supported_endpoints"] = list(endpoints)
    return fields


MODELS = (
    entry("claude-haiku-4-5-20251001", "Claude Haiku 4.5", 200_000, MESSAGES),
    entry("claude-haiku-5-5", "Claude Haiku 5.5", 1_000_000, MESSAGES),
    entry("claude-opus-5-5", "Claude Opus 5.5", 1_000_000, MESSAGES),
    entry("claude-sonnet-5", "Claude Sonnet 5", 1_000_000, MESSAGES),
    entry("claude-sonnet-5-5", "Claude Sonnet 5.5", 1_000_000, MESSAGES),
    entry("gpt-5.4-mini", "GPT-5.4 Mini", 400_000, CHAT_AND_RESPONSES),
    entry("gpt-6-luna", "GPT-6 Luna", 1_050_000, CHAT_AND_RESPONSES),
    entry("google/gemini-3.7-flash", "Gemini 3.7 Flash", 1_048_576, CHAT),
    entry("xai/grok-4.6", "Grok 4.6", 500_000, CHAT_AND_RESPONSES),
    entry(
        "deepseek/deepseek-v4-flash", "DeepSeek V4 Flash (latest)", 1_000_000, CHAT_AND_RESPONSES
    ),
    entry("deepseek/deepseek-v4-pro", "DeepSeek V4 Pro (latest)", 1_000_000, CHAT_AND_RESPONSES),
    entry("moonshotai/Kimi-K3", "Kimi K3", 1_000_000, CHAT_AND_RESPONSES),
    entry("z-ai/glm-5.3-flash", "GLM-5.3 Flash", 1_048_576, CHAT_AND_RESPONSES),
    entry("Qwen/Qwen3.8-Flash", "Qwen 3.8 Flash", 1_000_000, CHAT),
    entry("meituan/LongCat-2.0", "LongCat 2.0", 1_048_576, CHAT),
    entry("inclusionai/ling-3.1-flash:free", "Ling 3.1 Flash", 262_144, CHAT),
)

ODD_MODELS = (
    entry("odd/no-endpoints", "No endpoints", 8_192, None),
    entry("claude-odd-no-endpoints", "No endpoints", 8_192, None),
    entry("odd/null-context", "Null context", None, CHAT),
    entry("odd/zero-context", "Zero context", 0, CHAT),
    entry("odd/text-context", "Text context", "128k", CHAT),
    entry("odd/versioned", "Versioned endpoint", 8_192, ("/v1/chat/completions",)),
    entry(
        "odd/full-url",
        "Endpoint as a URL",
        8_192,
        ("https://api.commandcode.ai/provider/v1/chat/completions",),
    ),
    entry("odd/unknown-endpoint", "Not for chat", 8_192, ("/systemone",)),
    entry("odd/null-context", "The same id again", 4_096, CHAT),
    entry("", "No id", 8_192, CHAT),
    {"id": "odd/bare"},
)
"""What a parser of the list must survive: `Provider(models=MODELS + ODD_MODELS)`."""

MOST_OUTPUT_TOKENS = {
    "claude-haiku-4-5-20251001": 64_000,
    "claude-opus-5-5": 128_000,
    "claude-sonnet-5": 128_000,
    "claude-sonnet-5-5": 128_000,
    "gpt-5.4-mini": 128_000,
    "gpt-6-luna": 128_000,
    "google/gemini-3.7-flash": 65_536,
    "z-ai/glm-5.3-flash": 131_072,
    "inclusionai/ling-3.1-flash:free": 32_768,
}
MOST_OUTPUT_TOKENS_ELSE = 200_000
WITHOUT_ZERO_DATA_RETENTION = frozenset({"xai/grok-4.6"})


def endpoints_of(model: str, listed: list[Any]) -> tuple[str, ...] | None:
    """Return the endpoints of a listed model, as paths without `/v1`; `None`: not listed."""
    found = next((fields for fields in listed if fields.get("id") == model), None)
    if found is None or not model:
        return None
    by_name = MESSAGES if model.startswith("claude-") else CHAT
    named = found.get("supported_endpoints", by_name)
    return tuple("/" + path.rpartition("/v1/")[2].lstrip("/") for path in named)


def spelling_of(model: str) -> Spelling:
    """Return the way in which the family of `model` spells reasoning."""
    if model.startswith("deepseek/"):
        return "deepseek"
    return "openai" if model.startswith("gpt-") else "reasoning_content"
