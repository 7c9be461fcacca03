"""What an answer holds beside text and thinking is shown or named, on both wires."""

from __future__ import annotations

import base64
import json

import pytest
from support.recordings import read_chunks

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.client.wire_formats import WIRE_FORMATS

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
JPEG = b"\xff\xd8\xff" + b"\0" * 20
PNG64, JPEG64 = (base64.b64encode(data).decode() for data in (PNG, JPEG))
DATA_URL = f"data:image/png;base64,{PNG64}"
URL, PAGE = "https://example.org/a.png", "https://example.org/page"
OTHER = "https://example.org/other"
NAMED = "the answer also holds content that cannot be shown: "


def reply_of(endpoint, bodies):
    builder = ReplyBuilder(lambda: 0.0)
    reader = AnswerReader(WIRE_FORMATS[endpoint].decoder())
    stream = "".join(f"data: {json.dumps(body)}\n\n" for body in bodies).encode()
    for event in (*read_chunks(reader, [stream]), *reader.close()):
        builder.add(event)
    return builder.build("m")


def chat(*deltas, **beside):
    """Read a chat stream; `beside` stands in its last chunk."""
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **beside}
    return reply_of("/chat/completions", [*chunks, end])


def chat_whole(message, **beside):
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **beside}
    builder = ReplyBuilder(lambda: 0.0)
    reader = AnswerReader(WIRE_FORMATS["/chat/completions"].decoder())
    for event in (*read_chunks(reader, [json.dumps(body).encode()]), *reader.close()):
        builder.add(event)
    return builder.build("m")


def claude(*blocks):
    """Read a Messages stream of blocks: a block, or a block and its deltas."""
    events = []
    for index, (block, *deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    return reply_of("/messages", [*events, {"type": "message_stop"}])


def text_block(text, *citations):
    cited = ({"type": "citations_delta", "citation": citation} for citation in citations)
    return ({"type": "text", "text": ""}, {"type": "text_delta", "text": text}, *cited)


def links(reply):
    return [(source.title, source.url) for source in reply.sources]


# ── images

IMAGES = {
    "OpenRouter": {"images": [{"type": "image_url", "image_url": {"url": DATA_URL}}]},
    "address as text": {"images": [{"type": "image_url", "image_url": DATA_URL}]},
    "a text": {"images": [DATA_URL]},
    "OpenAI images": {"images": [{"b64_json": PNG64}]},
    "one image": {"image": {"data": PNG64}},
    "content part": {"content": [{"type": "image_url", "image_url": {"url": DATA_URL}}]},
    "output part": {"content": [{"type": "output_image", "image_url": DATA_URL}]},
    "Gemini": {"content": [{"inline_data": {"mime_type": "image/png", "data": PNG64}}]},
    "Anthropic": {
        "content": [{"type": "image", "source": {"type": "base64", "data": PNG64}}],
    },
    "wrong name": {"images": [{"image_url": {"url": f"data:text/html;base64,{PNG64}"}}]},
}


@pytest.mark.parametrize("delta", IMAGES.values(), ids=IMAGES)
def test_an_image_is_part_of_the_reply_in_any_spelling(delta):
    for reply in (chat(delta), chat_whole(delta)):
        assert [(image.media_type, image.data) for image in reply.images] == [("image/png", PNG)]
        assert (reply.error, reply.notices, reply.text) == (None, (), "")


def test_a_block_of_the_messages_format_may_be_an_image():
    source = {"type": "base64", "media_type": "image/jpeg", "data": JPEG64}
    reply = claude(text_block("See:"), ({"type": "image", "source": source},))
    assert [(image.media_type, image.data) for image in reply.images] == [("image/jpeg", JPEG)]
    assert reply.text == "See:"


def test_an_image_at_an_address_keeps_it():
    reply = chat({"content": "See:"}, {"images": [{"image_url": {"url": URL}}]})
    assert [(image.data, image.url) for image in reply.images] == [(None, URL)]


def test_a_repeated_image_counts_once_and_two_are_two():
    first, second = ({"images": [{"b64_json": data}]} for data in (PNG64, JPEG64))
    assert len(chat(first, first, second).images) == 2


@pytest.mark.parametrize(
    "image",
    [
        {"image_url": {"url": "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="}},  # it may hold scripts
        {"image_url": {"url": "data:image/png;base64,!!!"}},
        {"image_url": {"url": "javascript:alert(1)"}},
        {"image_url": {"url": "file:///etc/passwd"}},
        {"image_url": {}},
        {"b64_json": 7},
        7,
    ],
)
def test_an_image_that_cannot_be_shown_is_named(image):
    reply = chat({"images": [image]})
    assert (reply.images, reply.notices) == ((), (f"{NAMED}image",))
    assert reply.error is None


# ── sources

CITED = {
    "Perplexity": {"citations": [PAGE, OTHER]},
    "xAI": {"citations": [{"url": PAGE}, {"url": OTHER}]},
    "search results": {"search_results": [{"url": PAGE}, {"url": OTHER, "date": "2026"}]},
    "Zhipu": {"web_search": [{"link": PAGE}, {"link": OTHER}]},
    "DashScope": {"search_info": {"search_results": [{"url": PAGE}, {"url": OTHER}]}},
}


@pytest.mark.parametrize("members", CITED.values(), ids=CITED)
def test_sources_stand_beside_the_choices_or_in_them(members):
    expected = [("", PAGE), ("", OTHER)]
    assert links(chat({"content": "Hi"}, **members)) == expected
    assert links(chat({"content": "Hi", **members})) == expected
    assert links(chat_whole({"content": "Hi"}, **members)) == expected
    assert links(chat_whole({"content": "Hi", **members})) == expected


@pytest.mark.parametrize(
    "annotation",
    [
        {"type": "url_citation", "url_citation": {"url": PAGE, "title": "A page"}},
        {"type": "url_citation", "url": PAGE, "title": "A page", "start_index": 3},
    ],
)
def test_annotations_are_sources(annotation):
    reply = chat({"content": "Hi"}, {"annotations": [annotation]}, {"annotations": [annotation]})
    assert links(reply) == [("A page", PAGE)]
    part = {"type": "text", "text": "Hi", "annotations": [annotation]}
    assert links(chat({"content": [part]})) == [("A page", PAGE)]


def test_numbers_in_the_text_fit_the_list_and_titles_come_from_the_results():
    reply = chat(
        {"content": "Hi [2]"},
        citations=[PAGE, OTHER],
        search_results=[{"title": "Other", "url": OTHER}, {"title": "Page", "url": PAGE}],
    )
    assert links(reply) == [("Page", PAGE), ("Other", OTHER)]


def test_citations_of_the_messages_format():
    web = {"type": "web_search_result_location", "url": PAGE, "title": "A page", "cited_text": "x"}
    document = {"type": "char_location", "document_index": 0, "document_title": "My text"}
    reply = claude(text_block("One", web), text_block(", two", web, document))
    assert links(reply) == [("A page", PAGE), ("My text", "")]
    assert reply.text == "One, two"


def test_results_of_a_search_are_listed_where_nothing_is_cited():
    found = [{"type": "web_search_result", "url": PAGE, "title": "A page"}]
    search = {"type": "web_search_tool_result", "content": found}
    assert links(claude((search,), text_block("Hi"))) == [("A page", PAGE)]
    cited = text_block("Hi", {"url": OTHER, "title": "Other"})
    assert links(claude((search,), cited)) == [("Other", OTHER)]


def test_a_search_that_failed_says_why():
    problem = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    reply = claude(({"type": "web_search_tool_result", "content": problem},), text_block("Hi"))
    assert reply.notices == ("the web search failed: max_uses_exceeded",)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"url": "javascript:alert(1)", "title": "A page"}, [("A page", "")]),
        ({"url": f"https://example.org/{'x' * 3_000}", "title": "Long"}, [("Long", "")]),
        ({"url": PAGE, "title": "a\nb\x1b]52;c;x\x07"}, [("a b]52;c;x", PAGE)]),
        ({"url": "https://[::1", "title": "Broken"}, [("Broken", "")]),
    ],
)
def test_a_hostile_source_is_one_harmless_line(entry, expected):
    assert links(chat({"content": "Hi"}, citations=[entry])) == expected


def test_sources_are_bounded():
    pages = [f"https://example.org/{n}" for n in range(20_000)]
    assert len(chat({"content": "Hi"}, citations=pages).sources) == 100


# ── text elsewhere


@pytest.mark.parametrize("form", [chat, chat_whole])
def test_the_transcript_of_spoken_words_is_the_answer(form):
    audio = {"audio": {"id": "a", "data": "UklGRg==", "transcript": "Hello"}}
    reply = form(audio)
    assert (reply.text, reply.notices) == ("Hello", (f"{NAMED}audio",))


def test_a_transcript_comes_in_pieces_and_yields_to_text():
    pieces = [{"audio": {"transcript": text}} for text in ("Hel", "lo")]
    assert chat(*pieces).text == "Hello"
    assert chat({"content": "Hi"}, *pieces).text == "Hi"


def test_the_text_of_the_format_before_chat_is_the_answer():
    chunks = [
        {"object": "text_completion", "choices": [{"index": 0, "text": text}]}
        for text in ("Hel", "lo")
    ]
    end = {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}
    assert reply_of("/chat/completions", [*chunks, end]).text == "Hello"


def test_text_beside_a_delta_is_not_read_twice():
    choice = {"index": 0, "delta": {"content": "Hello"}, "text": "Hello"}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    assert reply_of("/chat/completions", [{"choices": [choice]}, end]).text == "Hello"


@pytest.mark.parametrize(
    ("indexes", "said"),
    [
        ([1], "1 further answer came and cannot be shown"),
        ([1, 2, 1, 4], "3 further answers came and cannot be shown"),
    ],
)
def test_further_choices_are_counted(indexes, said):
    first = {"index": 0, "delta": {"content": "Hello"}}
    others = [{"index": index, "delta": {"content": "Bye"}} for index in indexes]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    reply = reply_of("/chat/completions", [{"choices": [first, *others]}, end])
    assert (reply.text, reply.notices) == ("Hello", (said,))


# ── what nobody knows


@pytest.mark.parametrize(
    ("delta", "name"),
    [
        ({"video": {"url": "x"}}, "video"),
        ({"hologram": "abc"}, "hologram"),
        ({"executed_tools": [{"type": "python", "output": "7"}]}, "executed_tools"),
        ({"content": [{"type": "file", "file": {"file_data": "x"}}]}, "file"),
        ({"content": [{"type": "input_audio"}]}, "input_audio"),
        ({"a\nb\x1b[31m": "x"}, "a b[31m"),
    ],
)
def test_content_that_cannot_be_shown_is_named_and_the_answer_is_not_empty(delta, name):
    for reply in (chat(delta), chat_whole(delta)):
        assert (reply.text, reply.error) == ("", None)
        assert reply.notices == (f"{NAMED}{name}",)


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_details": [], "refusal": None, "audio": None, "annotations": []},
        {"provider_specific_fields": {"x": 1}, "tool_call_id": "7", "video": None},
        {"thinking_blocks": [{"type": "thinking"}], "signature": "x", "obfuscation": "abc"},
        {"matched_stop": "x", "token_ids": [5], "hologram": "", "score": 3, "done": True},
    ],
)
def test_what_carries_nothing_is_not_named(delta):
    reply = chat({"content": "Hello"}, delta)
    assert (reply.text, reply.notices) == ("Hello", ())


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ({"type": "code_execution_tool_result", "content": {}}, "code_execution_tool_result"),
        ({"type": "mcp_tool_result"}, "mcp_tool_result"),
        ({"type": "container_upload"}, "container_upload"),
        ({"type": "compaction", "content": "summary"}, "compaction"),
        ({"type": ["x"]}, "a part of unknown type"),
    ],
)
def test_blocks_that_cannot_be_shown_are_named(block, name):
    reply = claude((block, {"type": f"{block['type']}_delta"}))
    assert reply.error is None
    assert reply.notices[0].startswith(f"{NAMED}{name}")


def test_hidden_thinking_and_server_tools_are_not_named():
    reply = claude(
        ({"type": "redacted_thinking", "data": "x"},),
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},),
        text_block("Hello"),
    )
    assert (reply.text, reply.notices) == ("Hello", ())


def test_many_unknown_kinds_stay_one_short_line():
    reply = chat({f"kind{n}{'x' * 500}": "x" for n in range(20_000)})
    (notice,) = reply.notices
    assert len(notice) < 500


# ── paragraphs

SEARCH = ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},)
THOUGHT = ({"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "hm"})


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        (
            [text_block("I search for it."), SEARCH, text_block("The sea")],
            "I search for it.\n\nThe sea",
        ),
        ([text_block("so"), SEARCH, text_block("the sea")], "so\n\nthe sea"),
        ([text_block("it.\n"), SEARCH, text_block("The sea")], "it.\n\nThe sea"),
        ([text_block("it."), SEARCH, text_block("\nThe sea")], "it.\n\nThe sea"),
        ([text_block("it.\n\n"), SEARCH, SEARCH, text_block("The sea")], "it.\n\nThe sea"),
        ([text_block("it."), THOUGHT, text_block("The sea")], "it.\n\nThe sea"),
        ([text_block("The "), text_block("sea"), text_block(" is.")], "The sea is."),
        ([SEARCH, text_block("The sea")], "The sea"),
        ([text_block("The sea"), SEARCH], "The sea"),
        ([text_block("it."), SEARCH, ({"type": "text", "text": "The sea"},)], "it.\n\nThe sea"),
    ],
)
def test_a_block_between_two_texts_is_a_paragraph_break(blocks, text):
    assert claude(*blocks).text == text


CALL = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        ([{"content": "for it."}, CALL, {"content": "The sea"}], "for it.\n\nThe sea"),
        ([{"content": "it."}, {"reasoning": "hm"}, {"content": "The"}], "it.\n\nThe"),
        ([{"content": "The s"}, {"reasoning": "hm"}, {"content": "ea"}], "The sea"),
        ([{"content": "it."}, {"reasoning": "hm"}, {"content": " The"}], "it. The"),
        ([{"content": "it."}, {"content": "The"}], "it.The"),
        ([{"reasoning": "hm"}, {"content": "The"}], "The"),
    ],
)
def test_a_tool_between_two_texts_of_a_chat_is_a_paragraph_break(deltas, text):
    assert chat(*deltas).text == text
