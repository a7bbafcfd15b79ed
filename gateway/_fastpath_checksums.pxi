# Kernels: checksums.
