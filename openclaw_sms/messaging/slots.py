"""Agent slots: how many agents one process asks at the same time, and which senders wait for a slot.

An agent may think for minutes. Whoever needs none, a stranger, somebody who writes STOP, must not wait behind that:
any free thread judges, and only texts that need the agent need a slot. There are more threads than slots.

A sender without a slot waits here and not in the queue: the text was judged once, and looking at it again before a
slot is free would only cost. It is known to this process alone; another one with a free slot may well be faster.
"""

import threading

# Account row and address: one sender.
Sender = tuple[int, str]


class Slots:
    def __init__(self, number: int) -> None:
        self._lock = threading.Lock()
        self._free = number
        self._waiting: dict[Sender, int] = {}

    def visit(self) -> "Slot":
        """A slot to take later, if at all."""
        return Slot(self)

    def must_wait(self, sender: Sender) -> bool:
        """Whether the sender is known to wait, and nothing has come free."""
        with self._lock:
            return not self._free and sender in self._waiting

    def wait(self, sender: Sender, inbound_id: int) -> bool:
        """Join those who wait. False if a slot is free: then try again instead."""
        with self._lock:
            if self._free:
                return False
            self._waiting.setdefault(sender, inbound_id)
            return True

    def is_wanted(self) -> bool:
        """Whether somebody waits and only a slot in use can help."""
        with self._lock:
            return not self._free and bool(self._waiting)

    def _take(self) -> bool:
        with self._lock:
            if not self._free:
                return False
            self._free -= 1
            return True

    def _give_back(self) -> None:
        with self._lock:
            self._free += 1

    def _pass_on(self) -> tuple[Sender, int] | None:
        """Who has waited longest: the slot is theirs. None when nobody waits: the slot is free again."""
        with self._lock:
            for sender in self._waiting:
                return sender, self._waiting.pop(sender)
            self._free += 1
            return None


class Slot:
    """One thread's claim on a slot, taken when the first text needs it and kept until nobody waits."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._taken = False
        self._used = False

    def take(self) -> bool:
        """Whether the agent may be asked. Taking twice is taking once."""
        if not self._taken:
            self._taken = self._slots._take()
        self._used = self._taken
        return self._taken

    def must_be_passed_on(self) -> bool:
        """After a turn: others wait, and a sender with many texts must not keep them waiting."""
        return self._used and self._slots.is_wanted()

    def next_waiting(self) -> tuple[Sender, int] | None:
        """The sender to go on with in this slot, and a text of theirs; None: the slot is given back."""
        if not self._taken:
            return None
        following = self._slots._pass_on()
        self._taken, self._used = following is not None, False
        return following

    def give_back(self) -> None:
        if self._taken:
            self._slots._give_back()
        self._taken = self._used = False
