"""Builds the compiled rooms. All metadata stands in pyproject.toml.

Switches (environment): ``GATEWAY_TRACE=1`` line tracing for coverage, ``GATEWAY_SANITIZE=1`` ASan and UBSan.
"""

import os
import sys

from Cython.Build import cythonize
from Cython.Compiler import Errors
from setuptools import Extension, setup

TRACE = os.environ.get("GATEWAY_TRACE") == "1"
SANITIZE = os.environ.get("GATEWAY_SANITIZE") == "1"


def refuse_hint(position, message, env=None):
    """A performance hint means that a kernel touches Python: the build fails instead of being slow."""
    sys.exit(f"{position[0].get_description()}:{position[1]}: {message}")


Errors.performance_hint = refuse_hint

if SANITIZE:
    COMPILE = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    LINK = ["-fsanitize=address,undefined"]
else:
    COMPILE = ["-O3", "-fstack-protector-strong", "-fcf-protection"]
    LINK = ["-Wl,-z,relro,-z,now"]
COMPILE += ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Wno-cast-function-type"]
MACROS = [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")] if TRACE else []
if SANITIZE:
    MACROS.append(("GATEWAY_SANITIZE", "1"))

EXTENSIONS = [
    Extension(name, [path], extra_compile_args=COMPILE, extra_link_args=LINK, define_macros=MACROS)
    for name, path in (("gateway._fastpath", "gateway/_fastpath.pyx"), ("gateway.router._roads", "gateway/router/_roads.pyx"))
]

setup(ext_modules=cythonize(EXTENSIONS, compiler_directives={"linetrace": TRACE}, annotate=os.environ.get("GATEWAY_ANNOTATE") == "1"))
