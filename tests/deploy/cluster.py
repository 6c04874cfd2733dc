"""Runs Ray and `deploy/ray/app.py` in a process of its own, with as many replicas as it is told.

It reads numbers of replicas from standard input, one a line, and says "ready" when they serve.
"""

import sys

import ray
from ray import serve

from deploy.ray.app import Arguments, deployment


def main() -> None:
    port, arguments = int(sys.argv[1]), Arguments.model_validate_json(sys.argv[2])
    # More cores than there are, so that all replicas start on a small machine.
    ray.init(address="local", num_cpus=8, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    for line in sys.stdin:
        replicas = deployment(arguments).options(
            num_replicas=int(line), graceful_shutdown_wait_loop_s=0.1
        )
        serve.run(replicas.bind(arguments))
        print("ready", flush=True)
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
