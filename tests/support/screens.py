"""A screen and a clock for outputs that are redrawn."""

from __future__ import annotations


class Screen:
    """Has the outputs of a cell as a front end has them, and all that was sent."""

    def __init__(self):
        self.outputs = {}
        self.sent = []

    def new(self, bundle, metadata=None):
        display_id = f"id{len(self.outputs)}"
        self.outputs[display_id] = (bundle, metadata)
        self.sent.append(bundle)
        return display_id

    def update(self, display_id, bundle, metadata=None):
        assert display_id in self.outputs
        self.outputs[display_id] = (bundle, metadata)
        self.sent.append(bundle)

    @property
    def html(self):
        """The HTML that is shown."""
        ((bundle, _),) = self.outputs.values()
        return bundle["text/html"]


class Clock:
    """Moves when it is told to."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s
