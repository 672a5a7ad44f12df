"""Has the generated requests be about people, messages and tokens that are there, most of the time.

Whatever is decided here is decided by the generated value alone: the same seed asks the same.
"""

import json
import os
import re
import zlib

import requests
import schemathesis

KNOWN = json.loads(os.environ["WAXWING_KNOWN"])

MESSAGE = "[a-z2-7]{25}[aeimquy4]"
TOKEN = "[a-z2-7]{16}"

# What would leave nobody to talk to for the requests that come later is about carol, who only asks; and
# only once can a request be declined, so dave asks for that alone.
ABOUT = {"block": "carol", "rename": "carol", "accept": "carol", "decline": "dave"}


PEOPLE = ("bob", "carol", "dave")


def pick(of, among):
    return among[zlib.crc32(repr(of).encode()) % len(among)]


def real(value, among, pattern):
    """Something real in place of a generated value that is right in form; one that is wrong in form is
    meant to be wrong."""
    if isinstance(value, str) and re.fullmatch(pattern, value):
        return pick(value, [*among, *among, value])
    return value


def ask(method, path, body):
    answer = requests.request(
        method,
        KNOWN["api"] + path,
        json=body,
        headers={"Authorization": "Bearer " + KNOWN["token"]},
        timeout=20,
    )
    answer.raise_for_status()


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters:
        return path_parameters
    path = context.operation.path
    known = dict(path_parameters)
    if "name" in known:
        name = ABOUT.get(path.rsplit("/", 1)[-1], "bob")
        known["name"] = real(known["name"], [name] * 3, "(?s).+")
    if "id" in known:
        # Only what one said oneself can be edited or deleted; what was deleted cannot be edited.
        end = path.rsplit("/", 1)[-1]
        among = KNOWN["messages"].get(end, KNOWN["messages"]["any"])
        known["id"] = real(known["id"], among, MESSAGE)
    if "token" in known:
        known["token"] = real(known["token"], KNOWN["tokens"], TOKEN)
    if "bridge" in known:
        known["bridge"] = real(known["bridge"], KNOWN["operators"], "(?s).+")
    return known


@schemathesis.hook
def before_call(context, case, kwargs):
    """Values may also come from earlier answers: that changes nothing of whom things are done to. And
    carol keeps her name, in capitals or not."""
    name = ABOUT.get(case.path.rsplit("/", 1)[-1])
    if name and str(case.path_parameters.get("name")).lower() in PEOPLE:
        case.path_parameters["name"] = name
    if case.path.endswith("/draft/send"):
        # What is sent is gone: there has to be something each time.
        ask("PUT", "/v1/contacts/bob/draft", {"text": "so far"})
    if case.path == "/v1/bridges/{bridge}":
        # One that was given up is gone: there have to be some each time.
        for descriptor in KNOWN["bridges"]:
            ask("POST", "/v1/bridges", {"descriptor": descriptor})
    if case.path.endswith("/rename") and isinstance(case.body, dict):
        name = case.body.get("name")
        if isinstance(name, str) and name.strip():
            case.body["name"] = pick(name, ["carol", "Carol", "CAROL"])


@schemathesis.hook
def after_call(context, case, response):
    """Bob's link, taken up once more, gives him the name that was generated: he gets his own back."""
    if case.path == "/v1/contacts" and response.status_code == 201:
        if response.json().get("account") == KNOWN["bob"]:
            ask("POST", f"/v1/contacts/{KNOWN['bob']}/rename", {"name": "bob"})


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    for field, (pattern, among) in KNOWN["fields"].get(context.operation.path, {}).items():
        if field in body:
            body = body | {field: real(body[field], among, pattern)}
    return body


@schemathesis.hook
def map_query(context, query):
    if isinstance(query, dict) and "before" in query:
        query = query | {"before": real(query["before"], KNOWN["messages"]["any"], MESSAGE)}
    return query
