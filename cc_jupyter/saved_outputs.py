"""What a cell shows of an answer from the history: the same outputs as when it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cc_jupyter.core.errors import StreamError
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.render.notebook import NotebookRenderer, Screen

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.conversation.records import TurnRecord


def reply_of(record: TurnRecord) -> Reply:
    """Give the reply of a turn, as far as the history kept it."""
    return Reply(
        text=record.answer,
        reasoning=record.reasoning,
        model=record.model,
        stop_reason=record.stop_reason,
        usage=record.usage,
        cost=record.cost,
        error=None if record.error is None else StreamError(record.error),
        time_to_first_token_s=record.time_to_first_token_s,
        duration_s=record.duration_s,
        stop_word=record.stop_word,
        notices=record.notices,
        provenance=Provenance(
            endpoint=record.endpoint,
            served_by=record.served_by,
            served_model=record.served_model,
            thread=record.thread,
            turn=None if record.position is None else record.position + 1,
            turn_id=record.id,
            order=record.order,
            request_sha256=record.request_sha256,
        ),
    )


def saved_outputs(
    record: TurnRecord, *, reasoning: bool = True, remote_images: bool = False
) -> list[dict[str, Any]]:
    """Give the outputs that a cell has when this answer counts, as nbformat writes them.

    Parameters
    ----------
    reasoning, remote_images
        As the settings have them.
    """
    sheet = _Sheet()
    screen = Screen(cast("InteractiveShell", sheet), remote_images=remote_images)
    renderer = NotebookRenderer(screen, label="", reasoning=reasoning, owns_cell=True)
    renderer.finish(reply_of(record))
    return sheet.outputs


class _Sheet:
    """A screen's shell that keeps what is shown on it."""

    def __init__(self) -> None:
        self.display_pub = self
        self.outputs: list[dict[str, Any]] = []

    def publish(self, *, data: dict[str, str], metadata: dict[str, Any], **_: Any) -> None:  # noqa: ANN401  where it would go
        """Take an output."""
        self.outputs.append({"output_type": "display_data", "data": data, "metadata": metadata})
