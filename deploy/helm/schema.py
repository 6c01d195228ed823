"""The schema of the chart's values, closed at every level."""

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.helm import chart_settings
from txfeatures.process.settings import SERVICES

Json = dict[str, Any]

_STRING: Json = {"type": "string"}
_BOOLEAN: Json = {"type": "boolean"}
_QUANTITY: Json = {"type": ["string", "integer", "number"]}
_STRINGS: Json = {"type": "object", "additionalProperties": _STRING}


def schema() -> Json:
    """Return the whole schema (draft 7, which Helm 3 and 4 read)."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart txfeatures",
        **_closed(
            {
                "fullnameOverride": {"type": "string", "maxLength": 40},
                "commonLabels": _STRINGS,
                "image": _image(),
                "aws": _aws(),
                "settings": _closed(
                    {name: _closed(found) for name, found in chart_settings.shared().items()}
                ),
                "features": _STRING,
                "secrets": _secrets(),
                "bootstrap": _command("bootstrap", {"enabled": _BOOLEAN}),
                "compact": _command("compact", {"enabled": _BOOLEAN, "schedule": _STRING}),
                "doctor": _closed({"enabled": _BOOLEAN, **_pod()}),
                "defaults": _closed(_pod() | _workload()),
                "services": _closed(
                    {
                        **{name: _service(name) for name in SERVICES},
                        "fs_writer_archive": _closed(_pod() | _workload()),
                    }
                ),
                "networkPolicy": _network_policy(),
                "monitoring": _monitoring(),
            }
        ),
    }


def _closed(properties: Mapping[str, Json]) -> Json:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def _list_of(item: Json) -> Json:
    return {"type": "array", "items": item}


def _one_of(*choices: str) -> Json:
    return {"enum": list(choices)}


def _count(minimum: int) -> Json:
    return {"type": "integer", "minimum": minimum}


def _image() -> Json:
    digest = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
    return _closed(
        {
            "registry": _STRING,
            "tag": {"type": "string", "not": {"const": "latest"}},
            "digests": _closed(dict.fromkeys((*SERVICES, "tools"), digest)),
            "pullPolicy": _one_of("Always", "IfNotPresent", "Never"),
            "pullSecrets": _list_of(_STRING),
        }
    )


def _aws() -> Json:
    return _closed({"region": _STRING, "endpointUrl": _STRING, "podIdentity": _BOOLEAN})


def _secrets() -> Json:
    key = _closed({"key": _STRING, "property": _STRING}) | {"required": ["key"]}
    names = {*chart_settings.secret_names(), "TXF_KAFKA_SASL_USERNAME"}  # kept with its password
    external = {
        "enabled": _BOOLEAN,
        "store": _closed({"name": _STRING, "kind": _one_of("SecretStore", "ClusterSecretStore")}),
        "refreshInterval": _STRING,
        "keys": _closed(dict.fromkeys(sorted(names), key)),
    }
    tls = {"existing": _STRING, "signsBrokers": _BOOLEAN}
    return _closed({"existing": _STRING, "kafkaTls": _closed(tls), "external": _closed(external)})


def _resources() -> Json:
    amounts = _closed({"cpu": _QUANTITY, "memory": _QUANTITY, "ephemeral-storage": _QUANTITY})
    return _closed({"requests": amounts, "limits": amounts})


def _pod() -> dict[str, Json]:
    """Return the values of every pod, whether of a command or a service."""
    return {
        "resources": _resources(),
        "extraEnv": _STRINGS | {"propertyNames": {"not": {"pattern": "^TXF_"}}},
        "serviceAccount": _closed({"create": _BOOLEAN, "name": _STRING, "annotations": _STRINGS}),
        "podAnnotations": _STRINGS,
        "podLabels": _STRINGS,
        "nodeSelector": _STRINGS,
        "tolerations": _list_of(
            _closed(
                {
                    "key": _STRING,
                    "operator": _one_of("Exists", "Equal"),
                    "value": _STRING,
                    "effect": _one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
                    "tolerationSeconds": _count(0),
                }
            )
        ),
        "priorityClassName": _STRING,
    }


def _workload() -> dict[str, Json]:
    """Return the further values of services, which run for ever in several replicas."""
    spread = _one_of("", "ScheduleAnyway", "DoNotSchedule")
    probe = _closed(
        {
            "periodSeconds": _count(1),
            "timeoutSeconds": _count(1),
            "failureThreshold": _count(1),
        }
    )
    return {
        "replicas": _count(0),
        "terminationGracePeriodSeconds": _count(1),
        "topologySpread": _closed({"zone": spread, "host": spread}),
        "podDisruptionBudget": _closed({"enabled": _BOOLEAN, "maxUnavailable": _QUANTITY}),
        "probes": _closed({"startup": probe, "readiness": probe, "liveness": probe}),
        "autoscaling": _closed(
            {
                "by": _one_of("", "cpu", "lag"),
                "minReplicas": _count(1),
                "maxReplicas": _count(1),
                "cpuUtilization": {"type": "integer", "minimum": 1, "maximum": 100},
                "lagRecords": _count(1),
                "scaleDownAfterSeconds": _count(0),
            }
        ),
    }


def _service(name: str) -> Json:
    found = {"settings": _closed(chart_settings.own(name)), **_pod(), **_workload()}
    if name == "poller":
        del found["autoscaling"]  # more pollers don't see more of one source
        found["spool"] = _closed({"size": _QUANTITY, "storageClassName": _STRING})
    if name == "fs_writer":
        found["split"] = _BOOLEAN
    if name == "api":
        found["service"] = _closed(
            {
                "type": _one_of("ClusterIP", "NodePort", "LoadBalancer"),
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "annotations": _STRINGS,
            }
        )
        found["ingress"] = _ingress()
        found["autoscaling"]["properties"]["by"] = _one_of("", "cpu")  # it has no lag
    return _closed(found)


def _ingress() -> Json:
    tls = _closed({"secretName": _STRING, "hosts": _list_of(_STRING)})
    return _closed(
        {
            "enabled": _BOOLEAN,
            "className": _STRING,
            "annotations": _STRINGS,
            "hosts": _list_of({"type": "string", "minLength": 1}),
            "tls": _list_of(tls),
        }
    )


def _command(name: str, more: Mapping[str, Json]) -> Json:
    return _closed(
        {
            **more,
            "settings": _closed(chart_settings.own(name)),
            "activeDeadlineSeconds": _count(1),
            "backoffLimit": _count(0),
            **_pod(),
        }
    )


def _network_policy() -> Json:
    namespaces = _list_of(_STRING)
    return _closed(
        {
            "enabled": _BOOLEAN,
            "scrapeFromNamespaces": namespaces,
            "apiFromNamespaces": namespaces,
            "apiFromCidrs": namespaces,
            "extraEgressPorts": _list_of({"type": "integer", "minimum": 1, "maximum": 65535}),
        }
    )


def _monitoring() -> Json:
    switch: Sequence[str] = ("serviceMonitor", "prometheusRule", "dashboards")
    found = {name: {"enabled": _BOOLEAN, "labels": _STRINGS} for name in switch}
    found["serviceMonitor"]["interval"] = _STRING
    found["dashboards"]["folder"] = _STRING
    return _closed({name: _closed(properties) for name, properties in found.items()})
