"""Where the units are and which of them could go."""

from gateway.model import Instant, Skipped, Unit, UnitId, UnitPosition
from gateway.router import units as units_module
from gateway.router.options import RoadOptions
from gateway.router.units import Units

GENT = (510543000, 37218000)


def at(seconds):
    """Wall and monotonic clock, deliberately not in step."""
    return Instant(1_773_061_391_000_000 + round(seconds * 1e6), 5_000_000 + round(seconds * 1e6))


class FakeFacts:
    """Units alone."""

    def __init__(self, *units):
        self._units = {unit.unit_id: unit for unit in units}

    def unit(self, unit_id):
        return self._units.get(unit_id)

    def units(self):
        return self._units.values()

    def put(self, unit):
        self._units[unit.unit_id] = unit

    def drop(self, unit_id):
        del self._units[unit_id]


def unit(name, **more):
    return Unit(UnitId(name), **more)


def position(name, seconds=0.0, place=GENT):
    return UnitPosition(UnitId(name), *place, at(seconds))


def test_the_newest_position_counts():
    units = Units(FakeFacts(unit("G-1")), RoadOptions())
    assert units.moved(position("G-1", 0)) and units.moved(position("G-1", 5, (510600000, 37300000)))
    assert units.position(UnitId("G-1")).lat_e7 == 510600000


def test_positions_of_unregistered_units_are_not_kept():
    units = Units(FakeFacts(unit("G-1")), RoadOptions())
    assert not units.moved(position("G-99"))
    assert units.position(UnitId("G-99")) is None


def test_coordinates_that_are_none_are_not_kept():
    units = Units(FakeFacts(unit("G-1")), RoadOptions())
    for place in ((900000001, 0), (0, -1800000001), (0, 0), (999, -999), (2**40, 2**40)):
        assert not units.moved(position("G-1", 0, place))
    assert units.moved(position("G-1", 0, (-900000000, 1800000000)))


def test_a_buffered_position_does_not_move_a_unit_back():
    units = Units(FakeFacts(unit("G-1")), RoadOptions())
    assert units.moved(position("G-1", 0, (510600000, 37300000)), taken_at_us=1_000)
    assert not units.moved(position("G-1", 1), taken_at_us=900)
    assert units.position(UnitId("G-1")).lat_e7 == 510600000


def test_a_tracker_whose_clock_jumped_back_is_believed_once_its_last_position_is_stale():
    units = Units(FakeFacts(unit("G-1")), RoadOptions(position_warn_s=60))
    assert units.moved(position("G-1", 0), taken_at_us=1_000_000_000)
    assert not units.moved(position("G-1", 59), taken_at_us=5)
    assert units.moved(position("G-1", 60), taken_at_us=6)
    assert units.moved(position("G-1", 61), taken_at_us=7)


def test_a_position_without_its_own_time_counts_as_it_arrives():
    units = Units(FakeFacts(unit("G-1")), RoadOptions())
    assert units.moved(position("G-1", 0), taken_at_us=1_000_000)
    assert units.moved(position("G-1", 1))
    assert units.moved(position("G-1", 2), taken_at_us=10)


def test_every_unit_that_cannot_go_is_named_with_its_reason():
    facts = FakeFacts(
        unit("free"), unit("busy", status="busy"), unit("off", status="off"), unit("odd", status="lunch"), unit("silent"), unit("old")
    )
    units = Units(facts, RoadOptions(position_age_max_s=600))
    units.moved(position("old", 0))
    for name in ("free", "busy", "off"):
        units.moved(position(name, 300))
    muster = units.muster(at(601), is_simulated=False)
    assert list(muster.available) == ["free"]
    assert muster.skipped == [
        Skipped("busy", "busy"), Skipped("off", "off"), Skipped("odd", "busy"),
        Skipped("silent", "position_unknown"), Skipped("old", "position_old"),
    ]  # fmt: skip


def test_a_units_own_word_counts_until_the_registry_says_otherwise():
    facts = FakeFacts(unit("G-1"), unit("G-2", status="off"))
    units = Units(facts, RoadOptions())
    units.moved(position("G-1"))
    assert units.tell_status(UnitId("G-1"), "busy") and not units.tell_status(UnitId("G-99"), "busy")
    assert units.muster(at(1), is_simulated=False).skipped == [Skipped("G-1", "busy"), Skipped("G-2", "off")]
    facts.put(unit("G-1", status="off"))
    assert units.muster(at(1), is_simulated=False).skipped == [Skipped("G-1", "off"), Skipped("G-2", "off")]
    facts.put(unit("G-1"))
    assert units.status(facts.unit("G-1")) == "busy", "the unit's word was given while the registry said available"
    units.forget(UnitId("G-1"))
    assert units.status(facts.unit("G-1")) == "available"


def test_age_is_monotonic_whatever_the_wall_clock_does():
    units = Units(FakeFacts(unit("G-1")), RoadOptions(position_age_max_s=600))
    units.moved(position("G-1", 0))
    hours_back = Instant(at(0).wall_us - 10**10, at(30).mono_us)
    hours_on = Instant(at(0).wall_us + 10**10, at(30).mono_us)
    for now in (hours_back, hours_on):
        assert units_module.age_s(units.position(UnitId("G-1")), now) == 30.0
        assert units.muster(now, is_simulated=False).available


def test_simulated_and_real_units_never_meet():
    units = Units(FakeFacts(unit("real"), unit("played", simulated=True)), RoadOptions())
    units.moved(position("real"))
    units.moved(position("played"))
    assert list(units.muster(at(1), is_simulated=False).available) == ["real"]
    assert list(units.muster(at(1), is_simulated=True).available) == ["played"]
    assert not units.muster(at(1), is_simulated=True).skipped


def test_positions_are_bounded(monkeypatch):
    monkeypatch.setattr(units_module, "POSITIONS_MAX", 2)
    facts = FakeFacts(unit("a"), unit("b"), unit("c"))
    units = Units(facts, RoadOptions())
    assert units.moved(position("a")) and units.moved(position("b")) and not units.moved(position("c"))
    assert units.moved(position("a", 1)), "a known unit still moves"
    facts.drop("b")
    assert units.moved(position("c"))
    assert [one.unit_id for one, _ in units.positions()] == ["a", "c"]


def test_a_forgotten_unit_has_no_position():
    units = Units(FakeFacts(unit("a")), RoadOptions())
    units.moved(position("a"), taken_at_us=10)
    units.forget(UnitId("a"))
    assert units.position(UnitId("a")) is None
    assert units.moved(position("a"), taken_at_us=5)


def test_a_position_that_was_old_when_it_came_is_as_old_as_that():
    units = Units(FakeFacts(unit("G-1")), RoadOptions(position_age_max_s=600))
    assert units.moved(position("G-1", 0), taken_at_us=0, now=at(500))
    assert list(units.muster(at(600), is_simulated=False).available) == ["G-1"]
    assert units.muster(at(601), is_simulated=False).skipped == [Skipped(UnitId("G-1"), "position_old")]


def test_what_freshness_protects_is_counted_from_when_a_position_came():
    units = Units(FakeFacts(unit("G-1")), RoadOptions(position_warn_s=60))
    assert units.moved(position("G-1", 100), taken_at_us=100_000_000, now=at(100))
    assert not units.moved(position("G-1", 40), taken_at_us=40_000_000, now=at(101))
    assert units.moved(position("G-1", 40), taken_at_us=40_000_000, now=at(170))
