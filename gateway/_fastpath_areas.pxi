# Kernels: areas.
