"""The final view of a grid: one static output, as HTML and as text.

The HTML needs no script, no widget and no style sheet: JupyterLab removes `<style>` and every
`var(…)` from notebooks that are not trusted, so the layout is in inline styles of the kinds that it
keeps, and one `<style>` adds colours where it survives. Nothing depends on a colour.

Answers go through `safe_html`, which leaves formulas between their signs: JupyterLab, Notebook 7
and an HTML export typeset them, GitHub and VS Code show their source. All other foreign text
(labels, prompts, errors, checks) goes through `page_html`, so that a price is never a formula.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.escaping import page_html
from cc_jupyter.core.terminal import safe_terminal
from cc_jupyter.experiments import grid_columns as words
from cc_jupyter.experiments.figures import answer_replies
from cc_jupyter.experiments.grid_columns import page_of
from cc_jupyter.render.answer_extras import image_line, shown_text
from cc_jupyter.render.markdown import safe_html
from cc_jupyter.render.usage_line import SCHEMA_VERSION, metadata

if TYPE_CHECKING:
    from cc_jupyter.experiments.grid import Grid, GridAnswer
    from cc_jupyter.experiments.grid_columns import Column, Page


_MAX_CHARACTERS = 400_000
"""Of all answers together; more would make a saved notebook slow to open."""
_MIN_CHARACTERS = 400
"""Of one answer, however many there are."""
_MAX_IMAGE_BYTES = 4_000_000
"""Of all images together."""
_MAX_OPEN_CHARACTERS = 60_000
"""With more text than this, only the first sample of each column is unfolded."""
_LONGEST_VALUE = 80

_LINE = "rgba(128, 128, 128, 0.4)"
_COLUMNS = (
    "display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 240px), 1fr));"
    " gap: 12px; margin: 8px 0"
)
_COLUMN = f"min-width: 0; box-sizing: border-box; border: 1px solid {_LINE}; padding: 8px 10px"
_SCROLLS = "overflow-x: auto; max-width: 100%"
_SMALL = "font-size: 85%; overflow-wrap: break-word"
_CELL = f"text-align: left; vertical-align: top; padding: 2px 8px; border-bottom: 1px solid {_LINE}"
_SUMMARY = f"{_SMALL}; cursor: pointer; border-top: 1px solid {_LINE}; padding: 4px 0"
_PLAIN = "white-space: pre-wrap; overflow-wrap: break-word"
_STYLE = """<style>
.cc-grid .cc-bad { color: #b00020; }
.cc-grid .cc-good { color: #1b7f3b; }
.cc-grid .cc-differs { color: #8a4b00; }
.cc-grid .cc-column { border-radius: 4px; }
.cc-grid .cc-answer :is(h1, h2, h3, h4) { font-size: 110%; margin: 0.6em 0 0.3em; }
.cc-grid .cc-answer > :first-child { margin-top: 0; }
.cc-grid .cc-answer > :last-child { margin-bottom: 0; }
:is([data-jp-theme-light="false"], .vscode-dark) .cc-grid .cc-bad { color: #ff8a80; }
:is([data-jp-theme-light="false"], .vscode-dark) .cc-grid .cc-good { color: #7fd99a; }
:is([data-jp-theme-light="false"], .vscode-dark) .cc-grid .cc-differs { color: #ffb95c; }
</style>"""


def grid_bundle(grid: Grid, *, remote_images: bool = False) -> dict[str, str]:
    """Return the final view as an output.

    Parameters
    ----------
    remote_images
        Whether images from the web stay images; otherwise they become links.
    """
    page = page_of(grid)
    return {
        "text/html": _html(page, remote_images=remote_images),
        "text/plain": _text(page),
    }


def grid_metadata(grid: Grid) -> dict[str, Any]:
    """Return what a saved notebook stores about a grid and its answers."""
    turns = [answer.reply.provenance.turn_id for answer in grid.answers]
    sent = [reply for reply in answer_replies(grid.answers) if reply.provenance.endpoint]
    return {
        "cc_jupyter": {
            "schema": SCHEMA_VERSION,
            "grid": grid.id,
            "turns": [turn or None for turn in turns],
            "answers": [metadata(reply)["cc_jupyter"] for reply in sent],
        }
    }


def shown_characters(answers: int) -> int:
    """Return how many characters of each answer the final view of so many answers shows."""
    return max(_MIN_CHARACTERS, _MAX_CHARACTERS // max(1, answers))


def _html(page: Page, *, remote_images: bool) -> str:
    grid = page.grid
    images = [image for reply in grid for image in reply.images]
    shows_images = sum(len(image.data or b"") for image in images) <= _MAX_IMAGE_BYTES
    columns = "".join(
        _column_html(page, column, shows_images=shows_images, remote_images=remote_images)
        for column in page.columns
    )
    return "".join(
        [
            _STYLE,
            '<div class="cc-grid" style="max-width: 100%">',
            f"<div>{page_html(words.summary_line(grid))}</div>",
            _line_html(words.agreement(page)),
            _prompts_html(page) if page.has_prompts else "",
            f'<div style="{_COLUMNS}">{columns}</div>',
            "</div>",
        ]
    )


def _line_html(line: str, kind: str = "") -> str:
    """Return a small line; nothing for an empty one."""
    if not line:
        return ""
    name = f' class="{kind}"' if kind else ""
    return f'<div{name} style="{_SMALL}">{page_html(line)}</div>'


def _prompts_html(page: Page) -> str:
    rows, left_out = words.prompt_rows(page)
    has_answers = any(row[3] for row in rows)
    names = ["", "prompt", "text", *(["answers"] if has_answers else [])]
    head = "".join(f'<th scope="col" style="{_CELL}">{name}</th>' for name in names)
    body = "".join(
        "<tr>{}</tr>".format(
            "".join(f'<td style="{_CELL}">{page_html(cell)}</td>' for cell in row[: len(names)])
        )
        for row in rows
    )
    more = _line_html(f"and {left_out:,} more" if left_out else "")
    return (
        f'<div style="margin: 8px 0">{_line_html(words.prompts_caption(page))}'
        f'<div style="{_SCROLLS}" tabindex="0"><table style="border-collapse: collapse">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}</div>"
    )


def _column_html(page: Page, column: Column, *, shows_images: bool, remote_images: bool) -> str:
    grid = page.grid
    number = f" (prompt {column.prompt.number:,})" if page.has_prompts else ""
    lines = [
        _line_html(words.figures_line(column)),
        *(
            _line_html(line, "cc-good" if line.startswith(words.PASSED) else "cc-bad")
            for line in words.check_lines(column, grid.plan.checks)
        ),
        _line_html(words.difference_line(column), "cc-differs"),
    ]
    answers = [
        _answer_html(grid, column, answer, shows_images=shows_images, remote_images=remote_images)
        for answer in column.answers
    ]
    if len(answers) > 1:
        all_open = sum(len(reply.text) for reply in grid) <= _MAX_OPEN_CHARACTERS
        answers = [
            f"<details{' open' if all_open or not answer.sample else ''}>"
            f'<summary style="{_SUMMARY}">{page_html(words.sample_line(column, answer))}</summary>'
            f"{shown}</details>"
            for answer, shown in zip(column.answers, answers, strict=True)
        ]
    return (
        f'<div class="cc-column" role="group" style="{_COLUMN}">'
        f'<div style="overflow-wrap: break-word"><strong>{page_html(column.name)}</strong>'
        f"{number}</div>{''.join(lines)}{''.join(answers)}</div>"
    )


def _answer_html(
    grid: Grid, column: Column, answer: GridAnswer, *, shows_images: bool, remote_images: bool
) -> str:
    reply, parts = answer.reply, []
    if failure := words.failure_line(column, answer):
        parts.append(_line_html(f"{words.FAILED} {failure}", "cc-bad"))
    value = _value_text(grid, answer)
    if value is not None:
        parts.append(f'<pre style="{_PLAIN}">{page_html(value)}</pre>')
    else:
        text, rest = _cut(shown_text(reply.text, reply.images, reply.sources), grid)
        parts.append(safe_html(text, allow_remote_images=remote_images))
        if rest:
            parts.append(_line_html(rest))
    for image in reply.images:
        if image.data and shows_images:
            data = base64.b64encode(image.data).decode()
            source = f"data:{image.media_type};base64,{data}"
            parts.append(f'<img src="{source}" alt="{page_html(image.name)}">')
        elif image.data:
            parts.append(_line_html(image_line(image)))
    parts += [_line_html(f"note: {note}") for note in words.notes(column, answer)]
    style = f"{_SCROLLS}; margin: 6px 0 0"
    return f'<div class="cc-answer" style="{style}" tabindex="0">{"".join(parts)}</div>'


def _value_text(grid: Grid, answer: GridAnswer) -> str | None:
    """Return a typed value as it is read; `None`: the answer is text."""
    if grid.plan.output_type is None or answer.failed:
        return None
    if isinstance(answer.value, str):
        return _cut(safe_terminal(answer.value), grid)[0]
    shown = repr(answer.value)
    if len(shown) > _LONGEST_VALUE:
        try:
            shown = json.dumps(json.loads(answer.reply.text), indent=2, ensure_ascii=False)
        except ValueError:
            shown = answer.reply.text
    return _cut(safe_terminal(shown), grid)[0]


def _cut(text: str, grid: Grid) -> tuple[str, str]:
    """Return the part of an answer that is shown, and a line on what is not."""
    most = shown_characters(len(grid))
    if len(text) <= most:
        return text, ""
    return f"{text[:most]}…", f"cut: {most:,} of {len(text):,} characters; the Grid has the rest"


def _text(page: Page) -> str:
    """Return the view as text: the same content in the same order, one fact a line."""
    grid = page.grid
    parts = [
        "\n".join(
            filter(None, [f"Grid: {words.summary_line(grid)}", words.agreement(page)]),
        )
    ]
    if page.has_prompts:
        parts.append(_prompts_text(page))
    for number, column in enumerate(page.columns, start=1):
        parts += _column_text(page, column, number)
    return safe_terminal("\n\n".join(parts))


def _prompts_text(page: Page) -> str:
    rows, left_out = words.prompt_rows(page)
    lines = [f"{words.prompts_caption(page)}:"]
    for mark, number, text, answers in rows:
        lines.append(f"{mark or ' '} {number}. {text}")
        if answers:
            lines.append(f"      {answers}")
    return "\n".join([*lines, *([f"and {left_out:,} more"] if left_out else [])])


def _column_text(page: Page, column: Column, number: int) -> list[str]:
    grid = page.grid
    prompt = f" (prompt {column.prompt.number:,})" if page.has_prompts else ""
    head = [
        f"=== {number} of {len(page.columns)}: {column.name}{prompt} ===",
        words.figures_line(column),
        *words.check_lines(column, grid.plan.checks),
        words.difference_line(column),
    ]
    parts = ["\n".join(filter(None, head))]
    for answer in column.answers:
        title = f"[{words.sample_line(column, answer)}]" if len(column.answers) > 1 else ""
        parts.append("\n".join(filter(None, [title, _answer_text(grid, column, answer)])))
    return parts


def _answer_text(grid: Grid, column: Column, answer: GridAnswer) -> str:
    reply = answer.reply
    value = _value_text(grid, answer)
    if value is None:
        value, rest = _cut(shown_text(reply.text, reply.images, reply.sources), grid)
        value = "\n".join(filter(None, [value, rest]))
    failure = words.failure_line(column, answer)
    return "\n".join(
        filter(
            None,
            [
                f"{words.FAILED} {failure}" if failure else "",
                value,
                *(image_line(image) for image in reply.images if image.data),
                *(f"note: {note}" for note in words.notes(column, answer)),
            ],
        )
    )
