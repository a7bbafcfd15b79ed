# Kernels: bytes.
