"""``gateway demo --check``: one scripted story through real sockets, each step with its milliseconds."""

from collections.abc import Callable
from dataclasses import dataclass

import trio

from gateway.model import Alarm, State
from gateway.sim.stage import Stage

STEP_S = 8.0
"A step that takes longer has failed."
LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the check."""

    name: str
    ms: float
    ok: bool
    detail: str


class Story:
    """press -> durable -> unit -> delivered -> human ack -> tracked -> closed, and the other ways in."""

    def __init__(self, stage: Stage, tell: Callable[[Step], None]) -> None:
        self._stage = stage
        self._tell = tell
        self._pressed_us = 0
        self.steps: list[Step] = []

    @property
    def ok(self) -> bool:
        """Every step was right."""
        return all(step.ok for step in self.steps)

    async def play(self) -> bool:
        """The whole story; False when a step failed."""
        await self._until("units report", lambda: self._units() >= 3 and f"{self._units()} units on the map")
        alarm_id = await self._press("sim-gt06", "press by GT06 over TCP")
        if alarm_id is None:
            return False
        await self._until("durable", lambda: self._alarm(alarm_id).durable_at_us is not None and "synced; the device was answered after that")
        await self._until("unit", lambda: self._unit_of(alarm_id))
        await self._until("delivered", lambda: self._reached(alarm_id, State.DELIVERED) and "stored by a centre, signature verified")
        await self._until("human ack", lambda: self._alarm(alarm_id).taken_by is not None and f"taken by {self._alarm(alarm_id).taken_by}")
        await self._until("tracked", lambda: len(self._alarm(alarm_id).track) >= 3 and f"{len(self._alarm(alarm_id).track)} positions")
        await self._stage.finish(alarm_id)
        await self._until("closed", lambda: self._reached(alarm_id, State.RESOLVED) and f"outcome {self._alarm(alarm_id).outcome}")
        for device, name in (("sim-watch", "Watch over TCP"), ("sim-sms", "SMS by Kannel's form"), ("sim-app", "app, signed")):
            await self._delivered(device, name)
        await self._failover()
        return self.ok

    async def _delivered(self, device: str, name: str) -> str | None:
        alarm_id = await self._press(device, f"press by {name}")
        if alarm_id is not None:
            await self._until(f"delivered ({name})", lambda: self._reached(alarm_id, State.DELIVERED) and "stored by a centre")
        return alarm_id

    async def _failover(self) -> None:
        """The eastern centre fails; its neighbour is asked."""
        alarm_id = await self._press("sim-teltonika", "press by Teltonika over UDP, in the failing centre's area")
        if alarm_id is None:
            return
        await self._until("failover", lambda: alarm_id in self._stage.centres["west"].alarms and "the backup centre has it")

    # ------------------------------------------------------------------------------------------------ measuring

    async def _press(self, device: str, name: str) -> str | None:
        before = {alarm.alarm_id for alarm in self._alarms()}
        self._pressed_us = self._stage.clock.now().mono_us
        self._stage.press(device)

        def is_raised() -> str | bool:
            return next((alarm.alarm_id for alarm in self._alarms() if alarm.alarm_id not in before and alarm.device_id == device), False)

        return await self._until(name, is_raised)

    async def _until(self, name: str, is_true: Callable[[], str | bool]) -> str | None:
        """Wait for a step; what it says, or None when it did not come."""
        if not self._pressed_us:
            self._pressed_us = self._stage.clock.now().mono_us
        found: str | bool = False
        with trio.move_on_after(STEP_S):
            while not (found := is_true()):  # noqa: ASYNC110 - seen from outside there is no event to wait for
                await trio.sleep(LOOK_S)
        ms = (self._stage.clock.now().mono_us - self._pressed_us) / 1000
        step = Step(name, ms, bool(found), str(found) if found else f"did not happen within {STEP_S:.0f} s")
        self.steps.append(step)
        self._tell(step)
        return str(found) if found else None

    def _alarms(self) -> list[Alarm]:
        assert self._stage.server is not None
        return self._stage.server.desk.alarms()

    def _alarm(self, alarm_id: str) -> Alarm:
        return next(alarm for alarm in self._alarms() if alarm.alarm_id == alarm_id)

    def _reached(self, alarm_id: str, state: State) -> bool:
        order = list(State)
        return order.index(self._alarm(alarm_id).state) >= order.index(state)

    def _units(self) -> int:
        assert self._stage.server is not None
        return sum(1 for _ in self._stage.server.house.desk.units())

    def _unit_of(self, alarm_id: str) -> str | bool:
        decision = self._alarm(alarm_id).decision
        if decision is None or not decision.proposal.candidates:
            return False
        first = decision.proposal.candidates[0]
        return f"{first.unit_id} in {first.travel_s:.0f} s by {decision.proposal.basis}, {decision.proposal.reason}"
