"""The stream of events, which does not end and so is not for generated requests: each event that comes
is one of the document's, and each way to be refused is one of the document's."""

import http.client
import json
import urllib.parse

import jsonschema_rs

WAIT_S = 30
EVENTS = 40


class Failed(Exception):
    pass


def must(so, what):
    if not so:
        raise Failed(what)


def ask(node, query="", headers=None):
    """Opens the stream; gives the answer with its connection."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(node.api).netloc, timeout=WAIT_S)
    headers = {"Authorization": f"Bearer {node.token}"} if headers is None else headers
    connection.request("GET", f"/v1/events{query}", headers=headers)
    return connection, connection.getresponse()


def blocks(answer):
    """Events as fields, comments left out."""
    fields = {}
    for line in answer:
        line = line.decode().rstrip("\r\n")
        if not line:
            if fields:
                yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            must(name not in fields, f"one line of each: {line}")
            fields[name] = value.removeprefix(" ")


def fits(document, name):
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def refusals(node, document):
    told = document["paths"]["/v1/events"]["get"]["responses"]
    problem = fits(document, "Problem")
    token = {"Authorization": f"Bearer {node.token}"}
    for query, headers, status in [
        ("", {}, 401),
        ("", {"Authorization": "Bearer nonsense"}, 401),
        ("", token | {"Origin": "http://evil.example"}, 403),
        ("?after=x", token, 400),
        ("?after=-1", token, 400),
        ("?after=9999999", token, 410),
        ("", token | {"Last-Event-ID": "x"}, 400),
        ("", token | {"Last-Event-ID": "9999999"}, 410),
    ]:
        connection, answer = ask(node, query, headers)
        must(answer.status == status, f"{query} {headers}: {answer.status}, not {status}")
        must(str(status) in told, f"{status} is in the document")
        must(answer.headers["Content-Type"] == "application/problem+json", "a problem")
        problem.validate(json.load(answer))
        connection.close()


def check(node, contact):
    document = node.ask("GET", "/v1/openapi.json")
    refusals(node, document)

    event = fits(document, "Event")
    good = document["paths"]["/v1/events"]["get"]["responses"]["200"]
    connection, answer = ask(node, "?after=0")
    must(answer.status == 200, answer.status)
    must(answer.headers["Content-Type"] in good["content"], "the content type of the document")
    stream = blocks(answer)
    must(next(stream) == {"id": "0"}, "the stream begins with its place")
    for n in range(EVENTS):
        contact.ask("POST", "/v1/contacts/alice/messages", {"text": f"event {n}"})
    kinds, last = set(), 0
    while len(kinds) < 4 or last < EVENTS:
        fields = next(stream)
        must(set(fields) == {"id", "event", "data"}, fields)
        data = json.loads(fields["data"])
        event.validate(data)
        must(data["event"] == fields["event"] and str(data["cursor"]) == fields["id"], data)
        must(data["cursor"] > last, "cursors grow")
        kinds, last = kinds | {data["event"]}, data["cursor"]
    connection.close()

    # Gone on from the last one, by header, over a fresh connection.
    token = {"Authorization": f"Bearer {node.token}", "Last-Event-ID": str(last)}
    connection, answer = ask(node, "?after=0", token)
    must(next(blocks(answer)) == {"id": str(last)}, "Last-Event-ID goes before `after`")
    connection.close()
    print(f"events: {sorted(kinds)} up to {last} fit the document, and so do 8 refusals")
