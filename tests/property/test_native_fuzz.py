"""R-40: no bytes crash a kernel or make it read past their end. The engine is compiled; this file feeds it.

In the normal build a short run looks for crashes and hangs. ``make sanitize`` builds the compiled room with ASan and UBSan, where
one byte read too far ends the process with its stack, and runs this file with ``GATEWAY_FUZZ_NATIVE_CASES=12500000``.
"""

import os
import subprocess
import sys

import pytest

from gateway import _fastpath
from gateway.protocols import PROTOCOLS
from tests.vectors.sheets import OWN_CASES, ROOT, has_twin

CASES = int(os.environ.get("GATEWAY_FUZZ_NATIVE_CASES", "300000"))
SEED = int(os.environ.get("GATEWAY_FUZZ_SEED", "20260309"))


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("name", [entry.name for entry in PROTOCOLS if has_twin(entry)])
def test_kernels_survive_damaged_frames(name: str) -> None:
    frames = [raw for case in OWN_CASES if case.protocol == name and case.transport != "udp" for raw in case.frames]
    believed, refused, handed_over = _fastpath.fuzz(name, frames, SEED, CASES)
    assert believed + refused + handed_over == CASES
    assert believed > CASES // 20, "the net must reach behind the checksum"
    assert refused + handed_over > CASES // 50


@pytest.mark.skipif(not _fastpath.is_sanitized(), reason="only the sanitize build sees one byte too far")
def test_the_net_catches_fish() -> None:
    """A kernel with one length check less must be found within seconds."""
    fish = "from gateway import _fastpath; _fastpath.fuzz('planted', [b'xx' * 20], 1, 10_000_000)"
    done = subprocess.run([sys.executable, "-c", fish], capture_output=True, text=True, cwd=ROOT, env=os.environ, timeout=60)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(KeyError):
        _fastpath.fuzz("gt07", [b"x"], 1, 1)
