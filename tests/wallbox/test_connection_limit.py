"""Who may hold a connection, whoever comes and goes in whatever order."""

from collections import Counter

from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from custom_components.bmw_wallbox_victron.wallbox.connection_limit import (
    MAX_ADMITTED,
    MAX_CONNECTIONS,
    MAX_WAITING,
    ConnectionLimit,
)


class Crowd(RuleBasedStateMachine):
    """Connections come, are admitted and go."""

    def __init__(self) -> None:
        """Begin with nobody."""
        super().__init__()
        self.limit: ConnectionLimit[int] = ConnectionLimit()
        self.number = 0
        self.addresses: dict[int, str] = {}
        self.owners: dict[int, str] = {}

    @rule(address=st.sampled_from([f"192.0.2.{number}" for number in range(20)]))
    def comes(self, address: str) -> None:
        self.number += 1
        before, full = self.limit.waiting, len(self.limit) == MAX_CONNECTIONS
        alike = [each for each in before if self.addresses[each] == address]
        self.addresses[self.number] = address
        goes = self.limit.enter(self.number, address)
        if len(alike) == MAX_WAITING:
            assert goes == alike[0], "the oldest of that address"
        elif full and before:
            assert goes == before[0], "the oldest of all"
        elif full:
            assert goes == self.number, "nobody who is admitted"
        else:
            assert goes is None
        assert (self.number in self.limit) is (goes != self.number)

    @precondition(lambda self: self.limit.waiting)
    @rule(data=st.data(), owner=st.sampled_from("ABCDEFGHIJ"))
    def is_admitted(self, data: st.DataObject, owner: str) -> None:
        connection = data.draw(st.sampled_from(self.limit.waiting))
        self.owners[connection] = owner
        alike = [each for each in self.limit.admitted if self.owners[each] == owner]
        goes = self.limit.admit(connection, owner)
        assert goes == (alike[0] if len(alike) == MAX_ADMITTED else None)

    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        connection = data.draw(st.integers(0, self.number))
        self.limit.leave(connection)
        assert connection not in self.limit

    @invariant()
    def is_bounded(self) -> None:
        assert len(self.limit) <= MAX_CONNECTIONS
        waiting = Counter(self.addresses[each] for each in self.limit.waiting)
        assert max(waiting.values(), default=0) <= MAX_WAITING
        admitted = Counter(self.owners[each] for each in self.limit.admitted)
        assert max(admitted.values(), default=0) <= MAX_ADMITTED
        assert not {*self.limit.waiting} & {*self.limit.admitted}


TestCrowd = Crowd.TestCase


@given(st.integers(0, 100))
def test_all_that_wait_are_of_one_address(many: int) -> None:
    """The last ones stay."""
    limit: ConnectionLimit[int] = ConnectionLimit()
    for number in range(many):
        limit.enter(number, "192.0.2.1")
    assert limit.waiting == tuple(range(max(0, many - MAX_WAITING), many))


def test_only_admitted_ones() -> None:
    """None of them goes for one that is not admitted."""
    limit: ConnectionLimit[int] = ConnectionLimit()
    for number in range(MAX_CONNECTIONS):
        limit.enter(number, "192.0.2.1")
        limit.admit(number, number)
    assert limit.enter(-1, "192.0.2.2") == -1
    assert limit.admitted == tuple(range(MAX_CONNECTIONS))


def test_closed() -> None:
    """Who is in stays in; nobody enters."""
    limit: ConnectionLimit[int] = ConnectionLimit()
    limit.enter(1, "192.0.2.1")
    limit.close()
    assert limit.enter(2, "192.0.2.2") == 2
    assert limit.waiting == (1,)
