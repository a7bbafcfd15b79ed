"""Devices, units and centres that play their part in the demo, the tests and the load runs."""
