"""Reads the parts of an answer that are neither text nor thinking: images, sources, the rest.

Nothing that carries content is dropped silently: what cannot be shown is named in a notice.

Sources (read 2026-11-30): OpenRouter and LiteLLM "Image generation" (`images`); OpenAI API
reference, `message.audio` and `annotations`; Perplexity, xAI (`citations`, `search_results`); Zhipu
(`web_search`); DashScope (`search_info`); Claude platform "Citations", "Web search tool", "Code
execution tool", "Compaction".
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cc_jupyter.client.parsing import member, replace_surrogates, sanitize_message
from cc_jupyter.core.events import Notice, OutputImage, Source
from cc_jupyter.core.messages import Image
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cc_jupyter.core.events import StreamEvent


IMAGE_MEMBERS = ("images", "image")
_IMAGE_TYPES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
"""By the first bytes: what an image is decides on how it is shown, not what it is called."""
_DATA_URL = re.compile(r"data:[^,;]{0,100}(?:;[^,;]{0,100})*;base64,", re.IGNORECASE)
_SOURCE_LISTS = (
    *(("annotations",), ("citations",), ("search_results",), ("web_search",)),
    *(("sources",), ("references",), ("search_info", "search_results")),
    *(("grounding_metadata", "groundingChunks"), ("grounding_metadata", "grounding_chunks")),
)
SOURCE_MEMBERS = frozenset(path[0] for path in _SOURCE_LISTS)
_FILES = ("filename", "file_name", "file_id")
_MOST_SOURCES = 100
_LONGEST_URL = 2_000
_MOST_NAMED = 8
_LONGEST_NAME = 40

_SILENT = frozenset(
    {
        *("role", "content", "refusal", "tool_calls", "function_call", "name", "prefix", "phase"),
        *("reasoning", "reasoning_content", "reasoning_details", "reasoning_text"),
        *("thinking", "thinking_blocks", "reasoning_items", "reasoning_opaque"),
        *("signature", "thought_signature", "encrypted_content", "obfuscation", "padding"),
        *("finish_reason", "stop_reason", "matched_stop", "index", "logprobs", "token_ids", "id"),
        *("object", "created", "model", "type", "status", "audio", "weight", "channel", "usage"),
        *SOURCE_MEMBERS,
        *IMAGE_MEMBERS,
    }
)
"""Members of a delta that are read elsewhere, or carry nothing for a reader."""
_SILENT_ENDS = ("_id", "_ids", "_fields", "_metadata", "_content_filter", "_fingerprint", "_usage")
_BESIDE = frozenset(
    {"choices", "provider", "service_tier", "x_groq", "timings", "metadata", "event", "delta"}
)
"""Members next to an answer that are not its content."""
_WORDS = frozenset({"message", "msg", "detail", "details", "error", "errors", "request"})
"""Members that are words about the request, unless they are objects."""
_TEXT_PARTS = frozenset(
    {"", "text", "output_text", "input_text", "thinking", "reasoning", "refusal"}
)
_IMAGE_PARTS = frozenset({"image_url", "image", "output_image", "input_image", "inline_data"})
_SILENT_BLOCKS = frozenset({"redacted_thinking", "server_tool_use", "web_search_tool_result"})


class PartReader:
    """Collects images and sources of one answer, and the names of what cannot be shown.

    Parameters
    ----------
    clean
        Removes secrets from a text of the provider's, before it is cut.
    """

    def __init__(self, clean: Callable[[str], str] = redact) -> None:
        self._clean = clean
        self.came = False
        """Whether there was anything that carries content."""
        self._images: set[int] = set()
        self._cited: dict[str, Source] = {}
        self._found: dict[str, Source] = {}  # by a search; listed if nothing is cited
        self._named: dict[str, None] = {}
        self._problems: dict[str, None] = {}
        self._choices: set[int] = set()
        self._lists: dict[tuple[str, ...], object] = {}
        self._unread: dict[str, None] = {}

    def read_delta(self, delta: dict[str, Any]) -> Iterator[StreamEvent]:
        """Read the members of a `delta` or `message` other than its text."""
        for name in IMAGE_MEMBERS:
            if images := delta.get(name):
                yield from self._read_images(images)
        if not delta.keys() <= _SILENT:
            for name, value in delta.items():
                self._read_member(name, value)
        self.read_sources(delta)
        if member(delta, "audio", "data"):
            self.name("audio")

    def read_sources(self, body: dict[str, Any]) -> None:
        """Read the lists of sources in an object."""
        for path in _SOURCE_LISTS:
            entries = member(body, *path) if path[0] in body else None
            if entries and entries != self._lists.get(path):  # some repeat it in every chunk
                self._lists[path] = entries
                is_cited = path[0] in ("annotations", "citations")
                for entry in entries if isinstance(entries, list) else (entries,):
                    self.cite(entry, is_cited=is_cited)

    def read_block(self, block: dict[str, Any]) -> Iterator[StreamEvent]:
        """Read a content block of the Messages format that is no text, thinking or tool call."""
        kind = self._one_line(block.get("type"))
        if kind == "image":
            yield from self._read_images(block)
        elif kind == "web_search_tool_result":
            self._read_search(block.get("content"))
        elif kind not in _SILENT_BLOCKS:
            self.name(kind)

    def cite(self, entry: object, *, is_cited: bool = True) -> None:
        """Add a source: a URL, or an object that names one in some way."""
        nested = member(entry, "url_citation") or member(entry, "web")
        if isinstance(nested, dict):
            entry = nested
        fields = entry if isinstance(entry, dict) else {"url": entry}
        named = (fields.get(name) for name in ("url", "link", "uri", "source"))
        url = next((text for text in named if isinstance(text, str) and _is_link(text)), "")
        titles = map(fields.get, ("title", "document_title", "site_name", "name", *_FILES))
        title = next(filter(None, map(self._one_line, titles)), "")
        if not url and not title and isinstance(number := fields.get("document_index"), int):
            title = f"document {number + 1}"
        if not url and not title:
            if entry:
                self.name("citation")
            return
        self.came = True
        sources = self._cited if is_cited else self._found
        if len(sources) < _MOST_SOURCES:
            known = sources.get(url or title)
            sources[url or title] = Source(title or (known.title if known else ""), url)

    def count_choice(self, index: int) -> None:
        """Note that a further choice of the answer carries content."""
        self._choices.add(index)

    def name(self, kind: object) -> None:
        """Note a kind of content that cannot be shown."""
        self.came = True
        word = self._one_line(kind)[:_LONGEST_NAME] if isinstance(kind, str) else ""
        self._named[word.removesuffix("_delta") or "a part of unknown type"] = None

    def note_unread(self, body: dict[str, Any]) -> None:
        """Note the members of an object of unknown shape; they are named if nothing else came."""
        for name, value in body.items():
            words_only = name in _WORDS and not isinstance(value, dict)
            silent = name in _SILENT or name in _BESIDE or name.endswith(_SILENT_ENDS)
            if value and isinstance(value, (str, dict, list)) and not (words_only or silent):
                self._unread[name] = None

    def rest(self, *, is_empty: bool = False) -> Iterator[StreamEvent]:
        """Return the sources, in the order in which the answer numbers them, and the notices.

        Parameters
        ----------
        is_empty
            Whether neither text nor thinking nor a tool call came.
        """
        for unread in self._unread if is_empty and not self.came else ():
            self.name(unread)
        for key, source in (self._cited or self._found).items():
            found = self._found.get(key)
            yield source if source.title or found is None else found
        yield from map(Notice, self._problems)
        if self._choices:
            number = len(self._choices)
            answers = "1 further answer" if number == 1 else f"{number} further answers"
            yield Notice(f"{answers} came and cannot be shown", names_content=True)
        if self._named:
            names = ", ".join([*self._named][:_MOST_NAMED])
            message = f"the answer also holds content that cannot be shown: {names}"
            yield Notice(message, names_content=True)

    def read_content(self, parts: Iterable[object]) -> Iterator[StreamEvent]:
        """Read the parts of a content list that are neither text nor thinking."""
        for part in parts:
            if not isinstance(part, dict):
                continue
            kind = self._one_line(part.get("type"))
            if kind in _IMAGE_PARTS or (not kind and "inline_data" in part):
                yield from self._read_images(part)
            elif kind not in _TEXT_PARTS:
                self.name(kind)
            for annotation in part.get("annotations") or ():
                self.cite(annotation)

    def _read_member(self, name: str, value: object) -> None:
        if name in _SILENT or name.endswith(_SILENT_ENDS):
            return
        if (isinstance(value, str) and value.strip()) or (isinstance(value, dict | list) and value):
            self.name(name)

    def _one_line(self, text: object) -> str:
        if not isinstance(text, str):
            return ""
        return sanitize_message(self._clean(replace_surrogates(text))) or ""

    def _read_images(self, images: object) -> Iterator[StreamEvent]:
        for entry in images if isinstance(images, list) else [images]:
            self.came = True
            image = _image(entry, len(self._images) + 1)
            if image is None:
                self.name("image")
                continue
            key = hash((image.data, image.url))
            if key not in self._images:  # a whole message repeats what its deltas held
                self._images.add(key)
                yield OutputImage(image)

    def _read_search(self, content: object) -> None:
        if isinstance(content, dict):
            code = self._one_line(content.get("error_code") or "")
            self._problems[f"the web search failed: {code or 'no reason given'}"] = None
        for entry in content if isinstance(content, list) else ():
            self.cite(entry, is_cited=False)


def _image(entry: object, number: int) -> Image | None:
    """Read an image in any of its shapes; `None` for one that cannot be shown."""
    name = f"image {number}"
    data: object = entry
    if isinstance(entry, dict):
        inner = next(
            (entry[at] for at in ("image_url", "source", "inline_data", "image") if entry.get(at)),
            entry,
        )
        spellings = ("url", "data", "b64_json", "image_base64", "base64")
        data = inner
        if isinstance(inner, dict):
            data = next((inner[at] for at in spellings if inner.get(at)), None)
    if not isinstance(data, str):
        return None
    if _is_link(data):
        return Image("", None, data, name)
    header = _DATA_URL.match(data)
    try:
        decoded = base64.b64decode(data[header.end() if header else 0 :], validate=True)
    except (binascii.Error, ValueError):
        return None
    kind = next((kind for start, kind in _IMAGE_TYPES.items() if decoded.startswith(start)), None)
    return None if kind is None else Image(kind, decoded, None, name)


def _is_link(text: str) -> bool:
    if len(text) > _LONGEST_URL or not text.lower().startswith(("https://", "http://")):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.hostname) and text.isprintable() and " " not in text
