"""A live node under schemathesis: python session.py --waxwing PROGRAM

Four nodes on loopback, in a directory that is removed. Alice's is asked everything that her document
offers; bob is her contact and said something, carol and dave ask to become one. All but
bob run bridges. What is left out, and why,
stands in schemathesis.toml and in the README beside it.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import events

HERE = pathlib.Path(__file__).parent
WAIT_S = 30
LIMIT_S = 240
SEED = os.environ.get("SEED", "20261124")
WRITTEN = "/v1/words/written"
CLEAR = "POST /v1/contacts/{name}/clear"
REMOVE = "DELETE /v1/contacts/{name}"
# Not asked by schemathesis: schemathesis.toml says why; and the document itself, which it is given.
LEFT_OUT = {"POST /v1/stop", "GET /v1/events", "GET /v1/openapi.json"}


class Failed(Exception):
    pass


class Node:
    def __init__(self, waxwing, root, name):
        self.name, self.home = name, root / name
        # Bob alone is nobody's bridge.
        up = ["up"] if name == "bob" else ["bridge", "up", "--country", "MY", "--operator", f"{name}'s"]
        self.log = open(root / f"{name}.log", "w+b")
        self.process = subprocess.Popen(
            [
                waxwing, *up, "--json", "--home", self.home, "--name", name,
                "--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
            env={"PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
        )
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{name}'s node does not start: see {self.log.name}")
        ready = json.loads(line)
        self.api, self.bridge = ready["api"], ready.get("bridge")
        self.token = (self.home / "api-token").read_text().strip()

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.api + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)

    def complaints(self):
        """Lines of the log that no node should ever write."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").splitlines()
        return [line for line in lines if "ERROR" in line or "panicked" in line]

    def end(self):
        self.process.terminate()
        self.process.wait(WAIT_S)
        self.log.close()


def until(so, what):
    deadline = time.monotonic() + WAIT_S
    while not so():
        if time.monotonic() > deadline:
            raise Failed(f"waited in vain: {what}")
        time.sleep(0.05)


def contact(node, name):
    return next((c for c in node.ask("GET", "/v1/contacts")["contacts"] if c["name"] == name), None)


def scene(alice, bob, *strangers):
    """Makes what the tests ask about, and says it to the hooks."""
    link = alice.ask("POST", "/v1/invites", {})["link"]
    bob.ask("POST", "/v1/contacts", {"link": link, "name": "alice"})
    until(lambda: (contact(alice, "bob") or {}).get("state") == "connected", "bob is a contact")
    sent = [
        alice.ask("POST", "/v1/contacts/bob/messages", {"text": f"number {n}"})["id"]
        for n in range(4)
    ]
    until(lambda: (contact(bob, "alice") or {}).get("state") == "connected", "alice is a contact")
    bob.ask("POST", "/v1/contacts/alice/messages", {"text": "hello"})
    until(lambda: contact(alice, "bob")["unread"] == 1, "bob's message is there")
    heard = alice.ask("GET", "/v1/contacts/bob/messages")["messages"][-1]["id"]

    link = alice.ask("POST", "/v1/invites", {"uses": 100})["link"]
    for stranger in strangers:
        stranger.ask("POST", "/v1/contacts", {"link": link})
    asking = lambda: len(alice.ask("GET", "/v1/requests")["requests"])
    until(lambda: asking() == len(strangers), "they ask")
    links = [bob.ask("POST", "/v1/invites", {"uses": 100})["link"] for _ in range(2)]
    tokens = [alice.ask("POST", "/v1/tokens", {"scope": "read"})["id"] for _ in range(8)]
    number = alice.ask("GET", "/v1/contacts/bob/safety")["safety_number"]
    message = "[a-z2-7]{25}[aeimquy4]"
    return {
        "api": alice.api,
        "token": alice.token,
        "bob": contact(alice, "bob")["account"],
        "messages": {"any": [*sent, heard], "edit": sent[:2], "delete": sent[2:]},
        "tokens": tokens,
        "bridges": [stranger.bridge for stranger in strangers],
        "operators": [f"{stranger.name}'s" for stranger in strangers],
        # Fields of bodies, by path: the form of what is replaced, and what is there.
        "fields": {
            "/v1/contacts": {"link": (r"\s*waxwing:[\w-]{1,4000}\s*", links)},
            "/v1/contacts/{name}/messages": {"reply_to": (message, [*sent, heard])},
            "/v1/contacts/{name}/read": {"upto": (message, [heard])},
            "/v1/contacts/{name}/verify": {"safety_number": ("(?s).{0,128}", [number])},
            "/v1/contacts/{name}/rename": {"name": ("(?s).{1,128}", ["carol", "Carol", "CAROL"])},
            "/v1/tokens": {"contact": ("(?s).+", ["bob"])},
            "/v1/bridges": {"descriptor": ("(?s).+", [stranger.bridge for stranger in strangers])},
        },
    }


def schemathesis(alice, known, root, *only):
    """Runs schemathesis; gives what it wrote about every request."""
    report = root / "report.ndjson"
    command = [
        pathlib.Path(sys.executable).parent / "schemathesis",
        "--config-file", HERE / "schemathesis.toml",
        "run", f"{alice.api}/v1/openapi.json",
        "--header", f"Authorization: Bearer {alice.token}",
        "--seed", SEED,
        "--report", "ndjson", "--report-ndjson-path", report,
        "--no-color", *only,
    ]
    env = os.environ | {
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "WAXWING_KNOWN": json.dumps(known),
    }
    run = subprocess.run(command, cwd=root, env=env, timeout=LIMIT_S)
    if run.returncode != 0:
        raise Failed(f"schemathesis ended with {run.returncode}")
    with open(report) as lines:
        return [json.loads(line) for line in lines]


def statuses(report):
    """How often each operation answered what."""
    seen = collections.defaultdict(collections.Counter)
    for line in report:
        recorder = line.get("ScenarioFinished", {}).get("recorder") or {}
        for key, case in recorder.get("cases", {}).items():
            answer = recorder.get("interactions", {}).get(key, {}).get("response")
            if answer:
                value = case["value"]
                seen[f"{value['method']} {value['path']}"][answer["status_code"]] += 1
    return seen


def succeeded(document, seen):
    """Every operation went well at least once: what only ever fails is not tested."""
    told = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
    }
    for operation in sorted(told - LEFT_OUT):
        count = seen.get(operation, {})
        print(f"  {operation}: " + ", ".join(f"{n} x {s}" for s, n in sorted(count.items())))
        if not any(200 <= status < 300 for status in count):
            raise Failed(f"{operation} never went well")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--waxwing", required=True)
    args.add_argument("--keep", action="store_true", help="leave the directory where it is")
    args = args.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix="waxwing-api-"))
    nodes = []
    try:
        for name in ("alice", "bob", "carol", "dave"):
            nodes.append(Node(args.waxwing, root, name))
        alice, bob, *strangers = nodes
        known = scene(alice, bob, *strangers)
        document = alice.ask("GET", "/v1/openapi.json")
        events.check(alice, bob)
        # What takes away what others need comes last: words that are written down, a history that is
        # cleared, a contact who is removed.
        apart = ["--exclude-path", WRITTEN, "--exclude-name", CLEAR, "--exclude-name", REMOVE]
        report = schemathesis(alice, known, root, *apart)
        for last in (["--include-path", WRITTEN], ["--include-name", CLEAR], ["--include-name", REMOVE]):
            report += schemathesis(alice, known, root, *last)
        succeeded(document, statuses(report))
        for node in nodes:
            if node.process.poll() is not None:
                raise Failed(f"{node.name}'s node has ended")
            if complaints := node.complaints():
                raise Failed(f"{node.name}'s log: {complaints[:5]}")
    except (Failed, events.Failed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        for node in nodes:
            node.end()
        if args.keep:
            print(root)
        else:
            shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
