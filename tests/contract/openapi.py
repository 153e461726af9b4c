"""OpenAPI: a file as something that requests and answers can be held against.

Stricter than the file: an object has no property that its schema does not name. A problem, and
media, are held against the schema that the file's discriminator leads to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from jsonschema import Draft4Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT4

from .quirks import CODES, Quirk

_HERE = "urn:openapi"
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@_FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)


@_FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@_FORMATS.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _led_by(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        value = instance.get(rule["propertyName"])
        target = rule["mapping"].get(value)
        if target is None:
            yield ValidationError(f"{rule['propertyName']} {value!r} leads to no schema")
        else:
            yield from validator.descend(instance, {"$ref": target})


# Draft 4 is what OpenAPI 3.0 took its schemas from: siblings of $ref mean nothing in it.
_Validator: Any = extend(Draft4Validator, {"x-led-by": _led_by})


@attrs.frozen(kw_only=True)
class Operation:
    """What a file says of one method and path."""

    template: str
    spec: Mapping[str, Any]
    parameters: tuple[Mapping[str, Any], ...]
    variables: Mapping[str, str]

    def query(self) -> dict[str, Mapping[str, Any]]:
        """The parameters of the query, by name."""
        return {known["name"]: known for known in self.parameters if known["in"] == "query"}


class OpenApi:
    """One file, with its quirks put right."""

    def __init__(self, path: Path, quirks: Iterable[Quirk]) -> None:
        self.document: Any = json.loads(path.read_text("utf-8"))
        for quirk in quirks:
            *where, last = quirk.pointer
            part = self.document
            for name in where:
                part = part[int(name)] if isinstance(part, list) else part[name]
            if part.get(last) == quirk.value:
                raise AssertionError(f"{path.name} has it by now: {quirk}")
            part[last] = quirk.value
        schemas = self.document["components"]["schemas"]
        strict = {name: self._strict(schema) for name, schema in schemas.items()}
        contents = {"components": {"schemas": strict}}
        self._registry = Registry().with_resource(_HERE, DRAFT4.create_resource(contents))
        self._templates = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)), template)
            for template in sorted(self.document["paths"], key=lambda path: path.count("{"))
        ]
        self._validators: dict[str, Any] = {}

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation of a method and path, if the file has it."""
        for pattern, template in self._templates:
            match = pattern.fullmatch(path)
            spec = self.document["paths"][template].get(method.lower())
            if match is not None and spec is not None:
                parameters = tuple(self._parameter(given) for given in spec.get("parameters", ()))
                return Operation(
                    template=template,
                    spec=spec,
                    parameters=parameters,
                    variables={name: unquote(value) for name, value in match.groupdict().items()},
                )
        return None

    def faults_of_request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> list[str]:
        """Everything about a request that the file does not allow."""
        path, _, query = target.partition("?")
        operation = self.operation(method, path)
        if operation is None:
            return [f"the file has no {method} {path}"]
        faults = self._faults_of_credentials(operation, headers.get("Authorization", ""))
        for parameter in operation.parameters:
            if parameter["in"] == "path":
                value = operation.variables[parameter["name"]]
                faults += self._faults_of_parameter(parameter, value)
        faults += self._faults_of_query(operation, query)
        content = operation.spec.get("requestBody", {}).get("content", {})
        if content:
            schema = content["application/json"]["schema"]
            kind = headers.get("Content-Type", "").partition(";")[0]
            faults += [] if kind == "application/json" else [f"a body of type {kind!r}"]
            faults += self.faults(schema, json.loads(body))
        elif body:
            faults.append("a body where the file has none")
        return faults

    def faults_of_answer(self, operation: Operation, status: int, body: bytes) -> list[str]:
        """Everything about an answer that the file does not allow."""
        responses = operation.spec["responses"]
        known = responses.get(str(status))
        if known is None and status < 400:
            return [f"the file has no {status} for {operation.template}"]
        answer = json.loads(body)
        shapes = [
            content["schema"] for content in (known or responses["default"])["content"].values()
        ]
        if known is None:
            shapes.append(CODES)
        found = [self.faults(shape, answer) for shape in shapes]
        return [] if [] in found else [fault for faults in found for fault in faults]

    def faults(self, schema: Any, value: Any) -> list[str]:
        """Everything about a value that a schema of the file does not allow."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            strict = json.loads(
                json.dumps(self._strict(schema)).replace('"#/components', f'"{_HERE}#/components')
            )
            self._validators[key] = _Validator(
                strict, registry=self._registry, format_checker=_FORMATS
            )
        errors = self._validators[key].iter_errors(value)
        return [f"{error.json_path}: {error.message}"[:400] for error in errors]

    def _faults_of_query(self, operation: Operation, query: str) -> list[str]:
        known = operation.query()
        faults: list[str] = []
        seen: dict[str, str] = {}
        for part in filter(None, query.split("&")):
            name, _, value = part.partition("=")
            if unquote(name) in seen:
                faults.append(f"{name} is given twice, and the file has no exploded lists")
            seen[unquote(name)] = unquote(value)
        for name, value in seen.items():
            if name in known:
                faults += self._faults_of_parameter(known[name], value)
            else:
                faults.append(f"{operation.template} has no parameter {name}")
        missing = [
            name for name, rule in known.items() if rule.get("required") and name not in seen
        ]
        return faults + [f"{name} is required" for name in missing]

    def _faults_of_parameter(self, parameter: Mapping[str, Any], value: str) -> list[str]:
        schema = self._resolved(parameter["schema"])
        read: Any = value
        if schema["type"] == "array":
            assert (parameter["style"], parameter["explode"]) == ("form", False)
            read = value.split(",")
        elif schema["type"] == "integer":
            read = int(value) if re.fullmatch(r"-?[0-9]+", value) else value
        return [f"{parameter['name']}{fault[1:]}" for fault in self.faults(schema, read)]

    def _faults_of_credentials(self, operation: Operation, header: str) -> list[str]:
        schemes = {
            "Bearer": {"OAuth2UserToken", "BearerToken"},
            "OAuth": {"UserToken"},
        }.get(header.partition(" ")[0], set())
        allowed = {name for rule in operation.spec["security"] for name in rule}
        return [] if schemes & allowed else [f"credentials for none of {sorted(allowed)}"]

    def _parameter(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in given:
            return given
        return self.document["components"]["parameters"][given["$ref"].rpartition("/")[2]]

    def _resolved(self, schema: Any) -> Any:
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def _strict(self, schema: Any, *, led: bool = True) -> Any:
        """A schema of the file as one of JSON Schema that knows no other properties."""
        if isinstance(schema, list):
            return [self._strict(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return schema
        if "mapping" in schema.get("discriminator", {}) and led:
            return {"x-led-by": schema["discriminator"]}
        if "allOf" in schema:
            return self._strict(self._merged(schema), led=False)
        kept = {
            name: value
            for name, value in schema.items()
            if name not in ("discriminator", "nullable", "description", "example", "properties")
        }
        strict = {name: self._strict(value) for name, value in kept.items()}
        if "properties" in schema:
            properties = schema["properties"].items()
            strict["properties"] = {name: self._strict(value) for name, value in properties}
            strict.setdefault("additionalProperties", False)
        if schema.get("nullable"):
            strict["type"] = [schema["type"], "null"]
            if "enum" in strict:
                strict["enum"] = [*strict["enum"], None]
        return strict

    def _merged(self, schema: Any) -> Any:
        """The parts of an allOf as one object."""
        merged: dict[str, Any] = {"type": "object", "required": [], "properties": {}}
        for part in schema["allOf"]:
            part = self._resolved(part)
            part = self._merged(part) if "allOf" in part else part
            assert part.keys() <= {
                *("type", "required", "properties", "discriminator", "description", "example")
            }
            merged["required"] = [*merged["required"], *part.get("required", ())]
            merged["properties"] |= part.get("properties", {})
        if not merged["required"]:
            del merged["required"]
        return merged
