"""Makes the toy study of ``benchmarks/cluster`` importable, here and in worker processes."""

import sys
from pathlib import Path

CLUSTER = Path(__file__).parents[2] / "benchmarks" / "cluster"
if str(CLUSTER) not in sys.path:
    sys.path.append(str(CLUSTER))
