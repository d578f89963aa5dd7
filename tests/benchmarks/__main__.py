"""Measure what this program promises, each figure beside its peer in the same run.

    python tests/benchmarks [--quick] [NAME...]

A NAME is one of those below or the number of a target. `--quick` measures smaller sizes in fewer rounds: it shows that
the benchmarks work, and says little. Absolute figures belong to the machine: the ratios are what is judged.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from report import heading

# Each benchmark is a module of this folder, with the targets that it measures.
BENCHMARKS = {
    "client": (1, 2, 3),
    "quota": (4, 5),
    "startup": (6, 7, 8),
    "walking": (9,),
    "rescan": (10,),
    "memory": (11,),
    "dispatch": (12,),
    "uploads": (13,),
    "local_engine": (14,),
    "shared_quota": (16,),
    "keywords": (),
    "image_library": (),
    "past": (),
    "house": (),
}


def main() -> None:
    """Run the benchmarks that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__.splitlines()[0])
    names = [*BENCHMARKS, *(str(number) for targets in BENCHMARKS.values() for number in targets)]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in names]
    if unknown:
        parser.error(f"no benchmark is named {unknown[0]}")
    print(heading(), flush=True)
    for name, targets in BENCHMARKS.items():
        wanted = {name, *map(str, targets)}
        if not options.names or wanted & set(options.names):
            for figure in import_module(name).measure(quick=options.quick):
                print(figure, flush=True)


if __name__ == "__main__":
    main()
