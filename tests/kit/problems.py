"""Who is told of problems, and remembers."""

from custom_components.bmw_wallbox_victron.problem import Problem


class Reports:
    """What was reported, and what of it is not over."""

    def __init__(self) -> None:
        """Start with nothing wrong."""
        self.open: set[tuple[Problem, str]] = set()
        self._reported: list[tuple[Problem, dict[str, str | int]]] = []

    def of(self, problem: Problem) -> list[dict[str, str | int]]:
        """Return the facts of each report of a problem."""
        return [facts for each, facts in self._reported if each is problem]

    def report(
        self,
        problem: Problem,
        subject: str = "",
        *,
        expected: bool = False,
        **facts: str | int,
    ) -> None:
        self.open.add((problem, subject))
        self._reported.append((problem, facts))

    def resolve(self, problem: Problem, subject: str = "", **facts: str | int) -> None:
        self.open.discard((problem, subject))

    def withdraw(self, problem: Problem, subject: str = "") -> None:
        self.open.discard((problem, subject))

    def is_open(self, problem: Problem, subject: str = "") -> bool:
        return (problem, subject) in self.open
