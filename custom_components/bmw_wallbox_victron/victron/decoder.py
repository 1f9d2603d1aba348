"""One device: its key, and the way from manufacturer data to a reading."""

from collections.abc import Mapping
from dataclasses import replace

from .advertisement import AdvertisementKey, Refusal, is_instant_readout, parse
from .heard import HeardRecords
from .key_verdict import KeyVerdict, KeyWatch, accept, fail, persist
from .plausibility import Judgement, judge, without_absurd
from .records import Reading, decode, find


class Decoder:
    """Reads what one device advertises."""

    __slots__ = ("_data", "_heard", "_key", "_outcome", "watch")

    def __init__(self, key: bytes) -> None:
        self._key = AdvertisementKey(key)
        self._data = b""
        self._outcome: Reading | Refusal = Refusal.NOT_INSTANT_READOUT
        self._heard = HeardRecords()
        self.watch = KeyWatch()

    @property
    def verdict(self) -> KeyVerdict:
        """Return what is known of the key."""
        return self.watch.verdict

    @property
    def records(self) -> list[Mapping[str, object]]:
        """Return the last records, decrypted, to be shown to others."""
        return self._heard.content(self._key.decrypt)

    def hear(self, data: bytes, now: float) -> Reading | Refusal:
        """Read an advertisement (what follows the company id) heard at `now`, in s.

        A repeated one has the same outcome: what was good is good still, and what
        waits for a second advertisement is neither confirmed by itself nor speaks
        against the key, however long it stands still: a charger in a fault may. Noise
        that looks like it is found out by whatever comes next.
        """
        if not is_instant_readout(data):
            # As if it were not there: what is repeated is so around it as well.
            return Refusal.NOT_INSTANT_READOUT
        outcome = self._outcome
        if data == self._data:
            if isinstance(outcome, Reading):
                self.watch = replace(self.watch, shown_at=now)
                return outcome
            if outcome is Refusal.UNCONFIRMED:
                self.watch, self._outcome = persist(self.watch, now)
                if isinstance(self._outcome, Reading):
                    return self._outcome
            if outcome.against_key:
                self.watch = fail(self.watch, data, now)
            return outcome
        self._data = data
        self._outcome = outcome = self._hear(data, now)
        self._heard.add(now, data, outcome if isinstance(outcome, Refusal) else None)
        return outcome

    def confirm(self, now: float) -> Reading | None:
        """Return the reading that waits for another, if none came for long enough."""
        if self._outcome is not Refusal.UNCONFIRMED:
            return None
        self.watch, outcome = persist(self.watch, now)
        if isinstance(outcome, Refusal):
            return None
        self._outcome = outcome
        return outcome

    def _hear(self, data: bytes, now: float) -> Reading | Refusal:
        """Read an advertisement that is not the one before again."""
        advertisement = parse(data)
        if isinstance(advertisement, Refusal):
            return advertisement
        record = find(advertisement.record_type, advertisement.model_id)
        if record is None:
            return Refusal.UNKNOWN_RECORD
        if len(advertisement.ciphertext) < record.minimum_bytes:
            return Refusal.RECORD_TOO_SHORT
        plain = self._key.decrypt(advertisement)
        if plain is None:
            self.watch = fail(self.watch, data, now)
            return Refusal.WRONG_KEY
        reading = decode(record, plain)
        judgement = (
            Judgement.IMPOSSIBLE
            if reading is None
            else judge(reading, advertisement.model_id)
        )
        if reading is None or judgement is Judgement.IMPOSSIBLE:
            self.watch = fail(self.watch, data, now)
            return Refusal.IMPLAUSIBLE
        self.watch, outcome = accept(
            self.watch, without_absurd(reading), judgement, now
        )
        return outcome
