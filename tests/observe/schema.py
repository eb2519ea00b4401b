"""Asks a node all it answers in JSON, and holds each answer against the schema that the node gives for it."""

import json
import sys
import urllib.request

import jsonschema


def ask(path):
    with urllib.request.urlopen(f"http://{sys.argv[1]}{path}") as answer:
        return json.load(answer)


whole = ask("/v1/schema")
jsonschema.Draft202012Validator.check_schema(whole)
held = 0
for entry in ask("/v1")["paths"]:
    if entry["schema"] is None:
        continue
    place, pointer = entry["schema"].split("#")
    assert place == "/v1/schema", entry
    schema = whole | {"$ref": f"#{pointer}"}
    jsonschema.Draft202012Validator(schema).validate(ask(entry["path"]))
    # What is shown but not described would be a surprise; so nothing else may be there.
    closed = json.loads(json.dumps(schema))
    for definition in closed["$defs"].values():
        if "properties" in definition:
            definition["unevaluatedProperties"] = False
    jsonschema.Draft202012Validator(closed).validate(ask(entry["path"]))
    held += 1
print(f"{held} answers are as they are described")
assert held >= 14
