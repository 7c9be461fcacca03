"""Text that looks like an answer: Markdown with paragraphs, lists, a table and code."""

from __future__ import annotations

import itertools
import re

_TOKEN = re.compile(r"\s*\w{1,12}[.,:]?|\s*[^\w\s]{1,3}|\s+")

MARKDOWN = """\
## Reading a large file in pieces

A file that does not fit into memory can still be summed up, because a sum needs only one piece at
a time. **Read a piece, reduce it, forget it.** The figure that is kept stays small, however long
the file becomes, and the program never waits for more than one piece.

Three things decide how well this works:

- the *size* of a piece, which should be large enough to keep the disk busy;
- the cost of a reduction, which should be small beside the cost of reading;
- the order of the pieces, which should not matter for the result.

A first version in Python:

```python
import csv
from collections import Counter


def totals(path: str) -> Counter[str]:
    \"\"\"Add up the amounts of each customer.\"\"\"
    result: Counter[str] = Counter()
    with open(path, newline="") as lines:
        for row in csv.DictReader(lines):
            result[row["customer"]] += int(row["amount"])
    return result
```

The function reads line by line, so its memory grows with the number of *customers* and not with
the number of lines. With `Counter`, a name that has not been seen before begins at zero.

### How long it takes

| lines | memory | time |
|------:|-------:|-----:|
| 1 000 | 9 MB | 4 ms |
| 1 000 000 | 11 MB | 1.9 s |
| 100 000 000 | 11 MB | 3 min |

1. Measure before you change anything.
2. Change one thing, and measure again.
3. Keep the change only if the difference is larger than the noise.

> A program that is fast enough and easy to read is finished.

When the reduction itself is slow, let several processes share the work:

```python
from concurrent.futures import ProcessPoolExecutor

with ProcessPoolExecutor() as pool:
    parts = list(pool.map(totals, paths))
total = sum(parts, Counter())
```

Each process returns a small `Counter`, and adding them is cheap. Mind the naïve trap: sending the
*rows* to the processes costs more than it saves, since every row is pickled twice. Send the names
of files instead, and let each process open its own.

"""


def tokens(text: str) -> list[str]:
    """Split `text` into pieces of some five characters, as a model would send it."""
    return _TOKEN.findall(text)


def prose(count: int) -> list[str]:
    """Return `count` tokens of Markdown."""
    return list(itertools.islice(itertools.cycle(tokens(MARKDOWN)), count))
