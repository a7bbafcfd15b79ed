# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The compiled half of the road engine."""
