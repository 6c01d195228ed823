"""Serve moto on a free port until standard input ends; ``moto_process`` starts this."""

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from featurestore_local.listener import LOOPBACK, Listener


def main() -> None:
    """Print the port, then serve moto."""
    listener = Listener(host=LOOPBACK, port=0)
    listener.start(DomainDispatcherApplication(create_backend_app))
    sys.stdout.write(f"{listener.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    listener.close()


if __name__ == "__main__":
    main()
