"""CRC-16/X.25 and CRC-16/ARC: sliced tables beside the reference, over a GT06 position and a full Teltonika packet."""

import functools
import random
import timeit

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gateway import _fastpath
from gateway.protocols import octets

REFERENCES = {"crc16_x25": octets.crc16_x25, "crc16_arc": octets.crc16_arc}
SIZES = (30, 1_280)
RATIO_MIN = 10.0
"Measured: 40 over 30 bytes, 400 over 1,280."

names = pytest.mark.parametrize("name", list(REFERENCES))
sizes = pytest.mark.parametrize("size", SIZES)


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@names
@sizes
@pytest.mark.parametrize("reference", [False, True], ids=["compiled", "reference"])
def test_checksum(benchmark: BenchmarkFixture, name: str, size: int, reference: bool) -> None:
    benchmark.group = f"{name} over {size} bytes"
    data = data_of(size)
    check = REFERENCES[name] if reference else functools.partial(_fastpath.checksum, name)
    assert benchmark(check, data) == REFERENCES[name](data)


@names
@sizes
def test_the_kernel_is_worth_its_tables(name: str, size: int) -> None:
    data, took_s = data_of(size), {}
    for reference in (True, False):
        check = REFERENCES[name] if reference else functools.partial(_fastpath.checksum, name)
        assert check(data) == REFERENCES[name](data)
        took_s[reference] = min(timeit.repeat(lambda check=check: check(data), number=100, repeat=5))
    assert took_s[True] / took_s[False] >= RATIO_MIN
