"""The current status: model, endpoint, source of the key, thread and spending."""

from __future__ import annotations

from decimal import Decimal, localcontext
from pathlib import Path
from typing import TYPE_CHECKING

from cc_jupyter.client.endpoint import find_endpoint, replay_endpoint
from cc_jupyter.config.base_url import masked_url
from cc_jupyter.config.settings import PROJECT_FILE
from cc_jupyter.core.display import Card
from cc_jupyter.core.errors import CcError
from cc_jupyter.core.money import EXACT, format_usd
from cc_jupyter.core.paths import short_path
from cc_jupyter.core.text import pluralize
from cc_jupyter.models.registry import LOCAL, chosen_model, settings_for

if TYPE_CHECKING:
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.session.session import Session


def current_status(session: Session) -> Card:
    """Return the current status; a missing model or key is a line in it, not an error."""
    settings = session.settings()
    card = Card(model="", endpoint="", key="", thread=session.conversations.current, spent="")
    try:
        name = chosen_model(None, settings)
        card["model"] = name
        card["model from"] = settings.sources.get("model", "base_url = local")
        if LOCAL in (name, settings.base_url):
            card["endpoint"], card["key"] = "the local model", "none needed"
        else:
            tape = session.tape()
            is_replayed = tape is not None and tape.mode == "replay"
            find = replay_endpoint if is_replayed else find_endpoint
            endpoint = find(settings_for(name, settings))
            model = session.models.find(name, endpoint, settings.models)
            card["endpoint"] = f"{masked_url(endpoint.api_root)}{model.endpoint}"
            card["key"] = f"from {endpoint.key.source}"
            if is_replayed:
                card["key"] = "none needed: answers are replayed"
    except CcError as error:
        card["missing"] = f"{error} ({error.hint})"
    if settings.cassette is not None and settings.cassette.mode != "off":
        card["cassette"] = str(settings.cassette)
    if settings.policy is not None:
        card["policy"] = settings.policy.described()
    card |= _project_lines(settings)
    card["spent"] = spent_text(session)
    return Card({name: value for name, value in card.items() if value != ""})


def _project_lines(settings: Settings) -> dict[str, str]:
    """Return what the project's file sets, and what it may not loosen, with the file's name."""
    lines = {}
    by_project = [
        name
        for name, source in settings.sources.items()
        if Path(source).name == PROJECT_FILE and name != "model"
    ]
    if by_project:
        file = settings.sources[by_project[0]]
        values = ", ".join(f"{name} = {_setting_text(settings, name)}" for name in by_project)
        lines["project"] = f"{values}, from {short_path(Path(file))}"
    if settings.overruled:
        file = short_path(Path(next(iter(settings.overruled.values()))))
        held = ", ".join(
            f"{name} = {_setting_text(settings, name)} ({settings.sources[name]})"
            for name in settings.overruled
        )
        lines["stricter"] = f"{held}; {file} asks for less and is not followed"
    return lines


def _setting_text(settings: Settings, name: str) -> str:
    """Return a setting's value as the files write it."""
    value = getattr(settings, name)
    return str(value).lower() if isinstance(value, bool) else str(value)


def spent_text(session: Session) -> str:
    """Return the cost of the session as text; requests of unknown cost are counted."""
    known = [reply.billed.usd for reply in session.replies if reply.billed.usd is not None]
    unknown = len(session.replies) - len(known)
    with localcontext(EXACT):
        total = format_usd(sum(known, Decimal(0)))
    requests = pluralize(len(session.replies), "request")
    return f"{total} in {requests}" + (f", {unknown} of unknown cost" if unknown else "")
