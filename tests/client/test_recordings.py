"""Every recording gives the same reply, however the network cuts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.recordings import events_of, load_recordings, outcome_of

from cc_jupyter.core.events import Error, Stop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.recordings import Outcome, Recording

RECORDINGS = load_recordings()
SECTION_15 = {
    "U+2028, U+2029, U+0085, VT, FF inside JSON split as lines",
    "UTF-8 character cut by a chunk",
    "CRLF, lone CR, CRLF cut between chunks",
    "`data:` without a space; `data` with no colon",
    "several `data:` lines in one event; `id:`, `retry:`, unknown fields",
    "leading BOM, also cut over chunks",
    "comment keep-alives (`: OPENROUTER PROCESSING`, `:`)",
    "comment re-sent as `data: : …`, empty `data:`, `event: ping`",
    "body ends inside or right after the last event, without its blank line",
    "`choices` empty, null, missing, in first or last chunk",
    "`delta` missing or null, `content` null, `content` a list of parts",
    "usage null in all chunks but one",
    "usage in every chunk, cumulative",
    "usage never sent",
    "Anthropic usage counted twice; input counts changed in `message_delta`",
    "no `finish_reason` although complete (muse models)",
    "cut before `[DONE]` or `message_stop`",
    "`message_stop` missing after a `stop_reason`",
    "doubled `[DONE]`, events after the end",
    "`error` in a chunk with HTTP 200",
    "whole JSON error or whole JSON answer with HTTP 200 although `stream: true`",
    "wrong or missing `Content-Type` on a real stream",
    "HTML error page (502, 504, 520)",
    "tool call `index` missing, `id` late",
    "broken JSON in one event",
    "reasoning only, no text",
}
"""The rows that a body can show. `test_network.py` has those of a connection: compression, silence,
a long silence first, the content type; `test_limits.py` has the very long lines."""

every_recording = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one.name)


def outcome(recording: Recording, chunks: Iterable[bytes]) -> Outcome:
    return outcome_of(events_of(recording.endpoint, chunks))


@every_recording
def test_a_recording_gives_its_reply_and_exactly_one_last_event(recording):
    events = events_of(recording.endpoint, [recording.body])
    assert outcome_of(events) == recording.expected
    assert [isinstance(event, Stop | Error) for event in events].index(True) == len(events) - 1


@every_recording
def test_a_recording_cut_in_two_at_every_byte_gives_the_same_reply(recording):
    body = recording.body
    cuts = (outcome(recording, (body[:at], body[at:])) for at in range(len(body) + 1))
    wrong = {at: reply for at, reply in enumerate(cuts) if reply != recording.expected}
    assert wrong == {}


@every_recording
def test_a_recording_that_comes_byte_by_byte_gives_the_same_reply(recording):
    body = recording.body
    bytewise = [body[at : at + 1] for at in range(len(body))]
    assert outcome(recording, bytewise) == recording.expected


@pytest.mark.parametrize("row", sorted(SECTION_15))
def test_section_15_is_survived_on_either_wire(row):
    played = [one for one in RECORDINGS if one.row == row]
    assert played
    assert all(outcome(one, [one.body]) == one.expected for one in played)


def test_each_recording_names_a_row_or_section():
    rows = {one.row for one in RECORDINGS if not one.row.startswith("section ")}
    assert rows == SECTION_15
    assert all(one.seen for one in RECORDINGS)
