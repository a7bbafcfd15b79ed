# Kernels: watch.
