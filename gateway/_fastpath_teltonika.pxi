# Kernels: teltonika.
