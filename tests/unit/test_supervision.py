"""Could each device alarm now? Late, lost, weak: told when it changes, gathered when many go at once."""

from gateway.model import CaseRef, Cell, Device, DeviceId, Instant, Kind, Report
from gateway.supervision import Health, Notice, Supervision, SupervisionOptions, gathered
from gateway.times import NO_TIME, DeviceTime

HOUR_US = 3_600_000_000


class Story:
    def __init__(self, count: int = 1, interval_s: int = 600) -> None:
        self.now = Instant(1_773_576_000_000_000, HOUR_US)
        self.devices = [Device(DeviceId(f"dev-{n}"), case_ref=CaseRef(f"case-{n}"), interval_s=interval_s) for n in range(count)]
        self.supervision = Supervision(SupervisionOptions())
        self.supervision.expect(self.devices, self.now)

    def wait(self, seconds: float) -> list[Kind]:
        us = round(seconds * 1e6)
        self.now = Instant(self.now.wall_us + us, self.now.mono_us + us)
        return [notice.kinds for notice in self.supervision.on_deadline(self.now)]

    def hear(self, kinds: Kind = Kind.HEARTBEAT, number: int = 0, **more: float) -> list[Kind]:
        report = Report(kinds, **more)  # type: ignore[arg-type]
        return [notice.kinds for notice in self.supervision.heard(self.devices[number], report, "gt06", "tcp a", self.now)]

    def state(self, number: int = 0) -> str:
        health = self.supervision.of(f"dev-{number}")
        assert health is not None
        return health.state


def test_a_device_is_late_after_one_and_a_half_intervals_and_lost_after_three() -> None:
    story = Story()
    story.hear()
    assert story.wait(890) == [] and story.state() == "ONLINE"
    assert story.wait(20) == [] and story.state() == "LATE"
    assert story.wait(880) == [] and story.state() == "LATE"
    assert story.wait(20) == [Kind.COMMS_LOST] and story.state() == "OFFLINE"
    assert story.wait(100_000) == [], "it is told once"


def test_a_device_that_was_never_heard_is_missed_too() -> None:
    story = Story()
    story.wait(901)
    assert story.wait(900) == [Kind.COMMS_LOST]


def test_a_lost_device_that_speaks_is_restored() -> None:
    story = Story()
    story.wait(901)
    story.wait(900)
    assert story.hear() == [Kind.RESTORED] and story.state() == "ONLINE"


def test_battery_is_told_when_it_falls_below_each_mark_and_not_with_each_frame() -> None:
    story = Story()
    assert story.hear(battery_percent=60.0) == []
    assert story.hear(battery_percent=24.0) == [Kind.BATTERY_LOW]
    assert story.hear(battery_percent=20.0) == []
    assert story.hear(battery_percent=9.0) == [Kind.BATTERY_CRITICAL]
    assert story.hear(battery_percent=90.0) == []
    assert story.hear(battery_percent=24.0) == [Kind.BATTERY_LOW]


def test_the_devices_own_flag_counts_where_it_gives_no_figure() -> None:
    story = Story()
    assert story.hear(Kind.HEARTBEAT | Kind.BATTERY_LOW) == [Kind.BATTERY_LOW]
    assert story.hear(Kind.HEARTBEAT | Kind.BATTERY_LOW) == []


def test_a_setting_of_the_wall_clock_makes_nobody_late() -> None:
    story = Story()
    story.hear()
    story.now = Instant(story.now.wall_us + 24 * HOUR_US, story.now.mono_us)
    assert story.wait(10) == [] and story.state() == "ONLINE"


def test_many_losses_of_one_network_are_one_incident_with_its_cases() -> None:
    story = Story(count=8)
    for number in range(8):
        story.hear(number=number)
    story.wait(901)
    story.wait(900)
    (incident,) = story.supervision.incidents()
    assert incident.kinds is Kind.COMMS_LOST and len({notice.case_ref for notice in incident.notices}) == 8


def lost(*seconds: float) -> list[int]:
    """How many losses each incident has, when devices are lost at these seconds."""
    notices = [Notice(round(second * 1e6), f"dev-{number}", None, Kind.COMMS_LOST, "tcp a") for number, second in enumerate(seconds)]
    return [len(incident.notices) for incident in gathered(notices)]


def test_the_minute_of_an_incident_begins_with_any_loss() -> None:
    """It was the minute of the clock: five devices lost around its turn were five tickets."""
    assert lost(58, 59, 60, 61, 62) == [5]
    assert lost(0, 60, 60, 60, 60) == [5] and lost(0, 60.1, 60.1, 60.1, 60.1) == [1] * 5
    assert lost(0, 20, 40, 60, 80) == [1] * 5, "four within a minute are four"
    assert lost(0, 1, 2, 3, 4, 50, 64, 900) == [1, 1, 6]
    assert sum(lost(*range(0, 1000, 5))) == 200 and lost(*range(0, 1000, 5)) == [200]
    assert lost(*[0] * 5, *[600] * 5) == [5, 5] and lost() == []


def test_a_device_that_is_no_longer_expected_is_forgotten() -> None:
    story = Story(count=2)
    story.supervision.expect(story.devices[:1], story.now)
    assert story.supervision.of("dev-1") is None and story.supervision.counts() == {"UNHEARD": 1}
    story.wait(901)
    assert story.wait(900) == [Kind.COMMS_LOST]


# --------------------------------------------------------------------------------------- facts about the device


def told(story: Story, report: Report, time: DeviceTime = NO_TIME) -> Health:
    story.supervision.heard(story.devices[0], report, "gt06", "tcp a", story.now, time)
    health = story.supervision.of("dev-0")
    assert health is not None
    return health


def test_the_newest_of_each_fact_is_kept() -> None:
    story = Story()
    told(story, Report(Kind.HEARTBEAT, battery_percent=80.0, battery_v=3.9, power_v=12.1, charging=True, firmware="V1.0"))
    health = told(story, Report(Kind.POSITION, battery_percent=79.0, charging=False))
    assert (health.battery_percent, health.battery_v, health.power_v) == (79.0, 3.9, 12.1)
    assert (health.charging, health.firmware) == (False, "V1.0")


def test_a_stored_report_displaces_nothing_newer_and_tells_what_nobody_knew() -> None:
    story = Story()
    now_us = story.now.wall_us
    told(story, Report(Kind.POSITION, battery_percent=30.0), DeviceTime(now_us, "good"))
    health = told(story, Report(Kind.POSITION, battery_percent=90.0, power_v=5.0, stored=True), DeviceTime(now_us - HOUR_US, "buffered"))
    assert (health.battery_percent, health.power_v) == (30.0, 5.0)


def test_of_a_cell_only_the_signal_is_kept() -> None:
    story = Story()
    health = told(story, Report(Kind.HEARTBEAT, cells=(Cell(206, 1, 1234, 56789, -71), Cell(206, 1, 1234, 56790, -90))))
    assert health.signal_dbm == -71
    assert "1234" not in repr(health) and "5678" not in repr(health)


def test_what_a_clock_is_worth_comes_from_frames_that_were_not_stored() -> None:
    story = Story()
    now_us = story.now.wall_us
    local = Report(Kind.HEARTBEAT, event_at_us=now_us + HOUR_US)
    assert told(story, local, DeviceTime(now_us, "timezone")).clock_offset_s == 3600
    old = Report(Kind.POSITION, event_at_us=now_us - HOUR_US)
    health = told(story, old, DeviceTime(now_us - HOUR_US, "buffered"))
    assert (health.clock, health.clock_offset_s) == ("timezone", 3600)
