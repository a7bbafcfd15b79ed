# Kernels: gt06.
