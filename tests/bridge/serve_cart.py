"""A server process for tests: serves a policy that moves the cart towards its goal.

python -m tests.bridge.serve_cart ENDPOINT [--scale S] [--dry-run] [--record FILE] [--keys DIR]
"""

import argparse
import sys
import time
from pathlib import Path

from robot_gcrl.bridge.endpoint import Registration, parse_endpoint, stops_file
from robot_gcrl.bridge.record import Recorder
from robot_gcrl.bridge.security import ServerSecurity
from robot_gcrl.bridge.serve import Ending
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stops import StopBook
from tests.bridge.fakes import TowardsGoal, cart_contract


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--mode", default="joint_position_delta")
    parser.add_argument("--slow", type=float, default=0.0, help="of each inference [s]")
    options = parser.parse_args()
    contract = cart_contract(mode=options.mode)
    endpoint = parse_endpoint(options.endpoint)
    settings = Settings(policy="cart test", scale=options.scale, dry_run=options.dry_run)
    with Registration(endpoint, "cart"), Ending() as ending:
        server = PolicyServer(
            contract,
            TowardsGoal(lambda: time.sleep(options.slow)) if options.slow else TowardsGoal(),
            settings,
            StopBook(stops_file(endpoint)),
            endpoint=endpoint,
            security=None if options.keys is None else ServerSecurity(options.keys),
        )
        if options.record is not None:
            header = {"policy": "cart test", "contract": contract.canonical_json}
            server.recorder = Recorder(options.record, header | {"sha256": contract.sha256})
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        server.run(lambda: not ending.is_set)
        server.close()


if __name__ == "__main__":
    main()
