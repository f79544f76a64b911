"""The cluster of the examples by itself, until Ctrl-C or SIGTERM.

Start it as ``python -m demo.run_cluster FOLDER``.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from pathlib import Path

from demo.examples import example_cluster


def main(folder: Path) -> None:
    """Run the cluster in *folder* until it is interrupted, and print how to reach it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), example_cluster(folder, gpus=3) as cluster:
        print(f"export KUBECONFIG={cluster.kubeconfig} KUBERNETES_NAMESPACE=training", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
