# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The compiled room: all that Python may call. Kernels stand in the ``_fastpath_<topic>.pxi`` files beside it."""

from gateway.errors import FrameError, Reason

include "_fastpath_bytes.pxi"
include "_fastpath_checksums.pxi"
include "_fastpath_gt06.pxi"
include "_fastpath_teltonika.pxi"
include "_fastpath_watch.pxi"
include "_fastpath_areas.pxi"


def status_names():
    """Names of every status after OK, in order: the same list as ``errors.Reason``."""
    return ("FRAMING", "LENGTH", "CHECKSUM", "FIELD", "RANGE", "UNSUPPORTED", "IDENTITY")[: <int> STATUS_END - 1]
