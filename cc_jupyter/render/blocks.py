class Frame:
    def __init__(self, settled: str, live: str) -> None:
        self.settled = settled
        self.live = live


class Blocks:
    def __init__(self) -> None:
        self.t = ""

    def add(self, x: str) -> None:
        self.t += x

    def take(self) -> Frame:
        head, sep, tail = self.t.rpartition("\n\n")
        self.t = tail
        return Frame(head + sep, tail)
