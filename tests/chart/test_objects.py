"""What the chart makes of its values, object by object."""

import json
from typing import Any

import pytest
import yaml

from deploy.helm import chart_settings
from deploy.helm.generate import CHART
from tests.chart.helm import CASES, EKS, LOCAL, refusal, template
from txfeatures.domain.topics import AGGREGATED, DEDUPED, PARTIALS, RAW
from txfeatures.process.settings import SERVICES
from txfeatures_aggregator.app import NAME as AGGREGATOR
from txfeatures_dedup.app import NAME as DEDUP
from txfeatures_fs_writer import archive_step, features_step

DIGEST = "sha256:" + "0123456789abcdef" * 4
WEIGHT = "helm.sh/hook-weight"
SCRAM, MTLS = CASES["scram-values"], CASES["mtls-values"]


def ports(policy: dict[str, Any]) -> set[int]:
    """The TCP ports that a policy lets out to anywhere."""
    return {
        port["port"]
        for rule in policy["spec"]["egress"]
        if "to" not in rule
        for port in rule["ports"]
        if port["protocol"] == "TCP"
    } - {53}


def test_stateful_stages_keep_their_names_and_do_not_wait_for_one_another() -> None:
    rendered = template(EKS)
    kinds = {o["metadata"]["name"]: o for o in rendered.objects if "template" in o.get("spec", {})}
    for name in ("poller", "dedup", "aggregator"):
        found = kinds[f"txfeatures-{name}"]
        assert found["kind"] == "StatefulSet"
        assert found["spec"]["podManagementPolicy"] == "Parallel"
        assert found["spec"]["serviceName"] == f"txfeatures-{name}"
    for name in ("fs-writer", "api"):
        found = kinds[f"txfeatures-{name}"]
        assert found["kind"] == "Deployment"
        assert found["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_pollers_spool_outlives_pod_release_and_scale_down() -> None:
    spec = template(EKS).get("StatefulSet", "txfeatures-poller")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "gp3"
    mounts = spec["template"]["spec"]["containers"][0]["volumeMounts"]
    assert {"name": "spool", "mountPath": "/var/lib/txfeatures"} in mounts


def test_liveness_asks_only_whether_the_process_answers() -> None:
    for name, pod in template(EKS).pods():
        (container,) = pod["spec"]["containers"]
        if not name.startswith(("StatefulSet", "Deployment")):
            continue
        paths = {
            probe: container[f"{probe}Probe"]["httpGet"]["path"]
            for probe in ("startup", "readiness", "liveness")
        }
        assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
        assert pod["spec"]["terminationGracePeriodSeconds"] >= 60


def test_bootstrap_runs_before_anything_else_and_leaves_nothing_but_its_log() -> None:
    hooks = [
        found
        for found in template(EKS).objects
        if found["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-install,pre-upgrade"
    ]
    weights = {o["kind"]: int(o["metadata"]["annotations"]["helm.sh/hook-weight"]) for o in hooks}
    assert set(weights) == {"ServiceAccount", "ConfigMap", "NetworkPolicy", "Job"}
    assert all(weight < weights["Job"] for kind, weight in weights.items() if kind != "Job")
    for found in hooks:
        policy = found["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert ("hook-succeeded" in policy) is (found["kind"] != "Job")


def test_helm_test_examines_the_installation_before_it_asks_the_api() -> None:
    values = {"bootstrap": {"settings": {"partitions": 7}}, "features": "features: []"}
    rendered = template(EKS, values=values)
    hooks = {
        found["metadata"]["name"]: int(found["metadata"]["annotations"].get(WEIGHT, "0"))
        for found in rendered.of("Pod")
        if found["metadata"]["annotations"]["helm.sh/hook"] == "test"
    }
    assert hooks["txfeatures-doctor"] < hooks["txfeatures-test"]
    doctor = rendered.get("Pod", "txfeatures-doctor")["spec"]
    bootstrap = rendered.get("Job", "txfeatures-bootstrap")["spec"]["template"]["spec"]
    [container] = doctor["containers"]
    assert container["args"] == ["doctor"]
    assert container["image"] == bootstrap["containers"][0]["image"]
    assert container["envFrom"] == [{"configMapRef": {"name": "txfeatures-doctor"}}]
    assert rendered.environment("doctor") == rendered.environment("bootstrap")
    assert rendered.environment("doctor")["TXF_BOOTSTRAP_PARTITIONS"] == "7"
    # What it needs is part of the release, as bootstrap's is gone by then.
    for kind, name in (
        ("ConfigMap", "txfeatures-doctor"),
        ("ConfigMap", "txfeatures-features"),
        ("ServiceAccount", doctor["serviceAccountName"]),
        ("NetworkPolicy", "txfeatures-doctor"),
    ):
        assert "annotations" not in rendered.get(kind, name)["metadata"]
    assert doctor["volumes"][-1]["configMap"] == {"name": "txfeatures-features"}


def test_without_doctor_nothing_of_it_is_left() -> None:
    rendered = template(EKS, values={"doctor": {"enabled": False}})
    assert not [o for o in rendered.objects if "doctor" in o["metadata"]["name"]]


def test_every_process_has_a_service_account_of_its_own() -> None:
    accounts = {name: pod["spec"]["serviceAccountName"] for name, pod in template(EKS).pods()}
    assert accounts.pop("Pod/txfeatures-test") == "default"
    assert len(set(accounts.values())) == len(accounts) == len(SERVICES) + 3  # and three commands
    scram = template(SCRAM).of("ServiceAccount")
    assert {
        found["metadata"]["name"]
        for found in scram
        if "eks.amazonaws.com/role-arn" in found["metadata"].get("annotations", {})
    } == {f"txfeatures-{name.replace('_', '-')}" for name in SERVICES}


def test_scaling_by_lag_follows_the_groups_and_topics_of_the_code() -> None:
    found = {
        o["metadata"]["name"].removeprefix("txfeatures-"): [
            (t["metadata"]["consumerGroup"], t["metadata"]["topic"]) for t in o["spec"]["triggers"]
        ]
        for o in template(EKS).of("ScaledObject")
    }
    assert found == {
        "dedup": [(DEDUP, RAW)],
        "aggregator": [(AGGREGATOR, DEDUPED), (AGGREGATOR, PARTIALS)],
        "fs-writer": [
            (features_step.GROUP, AGGREGATED),
            (archive_step.GROUP, DEDUPED),
        ],
    }


def test_what_scales_by_itself_has_no_replicas_of_the_charts() -> None:
    rendered = template(EKS)
    for name in ("dedup", "aggregator"):
        assert "replicas" not in rendered.get("StatefulSet", f"txfeatures-{name}")["spec"]
    (hpa,) = rendered.of("HorizontalPodAutoscaler")
    assert hpa["spec"]["maxReplicas"] == 10
    assert rendered.get("StatefulSet", "txfeatures-poller")["spec"]["replicas"] == 2


def test_keda_signs_in_to_msk_by_the_same_way_as_the_services() -> None:
    iam = template(EKS)
    (authentication,) = iam.of("TriggerAuthentication")
    assert authentication["spec"]["podIdentity"] == {"provider": "aws"}
    assert iam.get("Secret", "txfeatures-kafka-scaler")["stringData"] == {
        "tls": "enable",
        "sasl": "oauthbearer",
        "saslTokenProvider": "aws_msk_iam",
    }
    assert {
        trigger["metadata"]["awsRegion"]
        for found in iam.of("ScaledObject")
        for trigger in found["spec"]["triggers"]
    } == {"eu-west-1"}


def test_keda_takes_password_and_certificates_from_the_services_secrets() -> None:
    (scram,) = template(SCRAM).of("TriggerAuthentication")
    taken = {r["parameter"]: (r["name"], r["key"]) for r in scram["spec"]["secretTargetRef"]}
    assert taken["password"] == ("txfeatures-settings", "TXF_KAFKA_SASL_PASSWORD")
    assert taken["username"] == ("txfeatures-settings", "TXF_KAFKA_SASL_USERNAME")
    (mtls,) = template(MTLS).of("TriggerAuthentication")
    taken = {r["parameter"]: (r["name"], r["key"]) for r in mtls["spec"]["secretTargetRef"]}
    assert taken["cert"] == ("features-kafka", "tls.crt")
    assert taken["ca"] == ("features-kafka", "ca.crt")


def secret_keys(pod: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a pod takes from Secrets: name -> Secret."""
    [container] = pod["spec"]["containers"]
    references = {
        entry["name"]: entry["valueFrom"]["secretKeyRef"]
        for entry in container.get("env", [])
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    assert all(reference["key"] == name for name, reference in references.items())
    assert all(reference["optional"] for reference in references.values())
    return {name: reference["name"] for name, reference in references.items()}


def test_secret_settings_come_from_one_secret_and_never_from_a_configmap() -> None:
    rendered = template(SCRAM)
    secrets = {found["metadata"]["name"] for found in rendered.of("ExternalSecret")}
    assert secrets == {"txfeatures-settings", "txfeatures-bootstrap-settings"}
    for name, pod in rendered.pods():
        if name == "Pod/txfeatures-test":
            continue
        is_hook = name == "Job/txfeatures-bootstrap"
        secret = "txfeatures-bootstrap-settings" if is_hook else "txfeatures-settings"
        assert set(secret_keys(pod).values()) == {secret}
    for found in rendered.of("ConfigMap"):
        assert not set(chart_settings.secret_names()) & found["data"].keys()


@pytest.mark.parametrize("case", CASES)
def test_no_pod_has_every_key_of_a_secret(case: str) -> None:
    for name, pod in template(CASES[case]).pods():
        sources = pod["spec"]["containers"][0].get("envFrom", [])
        assert not [source for source in sources if "secretRef" in source], name


@pytest.mark.parametrize("security", ["scram", "msk_iam"])
def test_each_pod_has_the_secrets_of_its_own_process_and_no_others(security: str) -> None:
    values = {"settings": {"kafka": {"security": security}}, "secrets": {"existing": "mine"}}
    pods = dict(template(EKS, values=values).pods())
    login = {
        "TXF_KAFKA_SASL_USERNAME",
        "TXF_KAFKA_SASL_PASSWORD",
        "TXF_KAFKA_CLIENT_KEY_PASSWORD",
    }
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    traced = {"OTEL_EXPORTER_OTLP_HEADERS"}
    by_iam = keys if security == "msk_iam" else set()
    assert {name: set(secret_keys(pod)) for name, pod in pods.items()} == {
        "StatefulSet/txfeatures-poller": login | traced | by_iam | {"TXF_POLLER_API_CODE"},
        "StatefulSet/txfeatures-dedup": login | traced | by_iam,
        "StatefulSet/txfeatures-aggregator": login | traced | by_iam,
        "Deployment/txfeatures-fs-writer": login | traced | keys,
        "Deployment/txfeatures-api": login | keys | {"TXF_API_TOKENS"},
        "Job/txfeatures-bootstrap": login | keys,
        "CronJob/txfeatures-compact": keys,
        "Pod/txfeatures-doctor": login | keys,
        "Pod/txfeatures-test": set(),
    }


def test_bootstraps_own_secret_holds_nothing_of_the_services() -> None:
    values = {
        "secrets": {
            "external": {
                "keys": {
                    "TXF_KAFKA_SASL_PASSWORD": {"key": "a"},
                    "TXF_POLLER_API_CODE": {"key": "b"},
                }
            }
        }
    }
    rendered = template(SCRAM, values=values)

    def keys(name: str) -> set[str]:
        return {e["secretKey"] for e in rendered.get("ExternalSecret", name)["spec"]["data"]}

    assert keys("txfeatures-settings") >= {"TXF_KAFKA_SASL_PASSWORD", "TXF_POLLER_API_CODE"}
    assert "TXF_KAFKA_SASL_PASSWORD" in keys("txfeatures-bootstrap-settings")
    assert "TXF_POLLER_API_CODE" not in keys("txfeatures-bootstrap-settings")


def test_only_pods_that_connect_to_kafka_hold_its_certificates() -> None:
    for name, pod in template(MTLS).pods():
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        mounts = {m["name"] for m in pod["spec"]["containers"][0].get("volumeMounts", [])}
        uses_kafka = not name.startswith("CronJob/") and name != "Pod/features-test"
        assert ("kafka-tls" in volumes) == ("kafka-tls" in mounts) == uses_kafka, name


def test_certificates_are_mounted_where_the_settings_say() -> None:
    rendered = template(MTLS)
    environment = rendered.get("ConfigMap", "features-dedup")["data"]
    for setting, file in (
        ("TXF_KAFKA_CA_FILE", "ca.crt"),
        ("TXF_KAFKA_CLIENT_CERTIFICATE_FILE", "tls.crt"),
        ("TXF_KAFKA_CLIENT_KEY_FILE", "tls.key"),
    ):
        assert environment[setting] == f"/etc/txfeatures/kafka/{file}"
    pod = rendered.get("StatefulSet", "features-dedup")["spec"]["template"]["spec"]
    assert {"name": "kafka-tls", "mountPath": "/etc/txfeatures/kafka", "readOnly": True} in pod[
        "containers"
    ][0]["volumeMounts"]


def test_only_the_ports_of_what_the_settings_name_are_let_out() -> None:
    rendered = template(LOCAL, values={"aws": {"endpointUrl": "http://10.96.0.50:5000"}})
    assert ports(rendered.get("NetworkPolicy", "txfeatures-poller")) == {9092, 5000, 8000}
    assert ports(rendered.get("NetworkPolicy", "txfeatures-dedup")) == {9092, 5000}
    assert ports(rendered.get("NetworkPolicy", "txfeatures-compact")) == {5000}
    eks = template(EKS)
    assert ports(eks.get("NetworkPolicy", "txfeatures-poller")) == {9098, 443}
    agent = eks.get("NetworkPolicy", "txfeatures-api")["spec"]["egress"][1]
    assert agent["to"][0]["ipBlock"]["cidr"] == "169.254.170.23/32"


def test_only_those_named_are_let_in() -> None:
    rendered = template(SCRAM)
    (dedup,) = rendered.get("NetworkPolicy", "txfeatures-dedup")["spec"]["ingress"]
    (expression,) = dedup["from"][0]["namespaceSelector"]["matchExpressions"]
    assert expression["values"] == ["monitoring"]
    operations, public = rendered.get("NetworkPolicy", "txfeatures-api")["spec"]["ingress"]
    assert operations["ports"] == [{"port": "http", "protocol": "TCP"}]
    (scraping,) = operations["from"]
    assert scraping["namespaceSelector"]["matchExpressions"][0]["values"] == ["monitoring"]
    assert public["ports"] == [{"port": "public", "protocol": "TCP"}]
    test_pod, clients = public["from"]
    assert clients["namespaceSelector"]["matchExpressions"][0]["values"] == ["trading"]
    pod = rendered.get("Pod", "txfeatures-test")
    assert test_pod["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert rendered.get("NetworkPolicy", "txfeatures-bootstrap")["spec"]["ingress"] == []


def test_the_operations_port_stays_inside_the_cluster() -> None:
    values = {"services": {"api": {"service": {"type": "LoadBalancer"}}}}
    rendered = template(EKS, values=values)
    public = rendered.get("Service", "txfeatures-api")["spec"]
    assert public["ports"] == [{"name": "public", "port": 80, "targetPort": "public"}]
    operations = rendered.get("Service", "txfeatures-api-operations")["spec"]
    assert operations["clusterIP"] == "None"
    assert operations["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]
    deployment = rendered.get("Deployment", "txfeatures-api")["spec"]["template"]["spec"]
    ports = {port["name"]: port["containerPort"] for port in deployment["containers"][0]["ports"]}
    assert ports == {"http": 8080, "public": 8000}
    assert deployment["containers"][0]["readinessProbe"]["httpGet"]["port"] == "http"


def test_an_ingress_leads_to_the_public_port_of_the_api() -> None:
    assert not template(EKS).of("Ingress")
    rendered = template(CASES["alb-values"])
    (ingress,) = rendered.of("Ingress")
    assert ingress["spec"] == {
        "ingressClassName": "alb",
        "rules": [
            {
                "host": "features.example.com",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {
                                "service": {"name": "txfeatures-api", "port": {"name": "public"}}
                            },
                        }
                    ]
                },
            }
        ],
    }
    annotations = ingress["metadata"]["annotations"]
    assert annotations["alb.ingress.kubernetes.io/auth-type"] == "oidc"
    signing_in = json.loads(annotations["alb.ingress.kubernetes.io/auth-idp-oidc"])
    assert signing_in["issuer"] == "https://login.example.com"
    environment = rendered.get("ConfigMap", "txfeatures-api")["data"]
    assert environment["TXF_API_ALLOWED_HOSTS"] == "features.example.com"


def test_a_load_balancer_reaches_both_ports_by_its_networks_alone() -> None:
    policy = template(CASES["alb-values"]).get("NetworkPolicy", "txfeatures-api")["spec"]
    for rule in policy["ingress"]:
        cidrs = [peer["ipBlock"]["cidr"] for peer in rule["from"] if "ipBlock" in peer]
        assert cidrs == ["10.0.0.0/20", "10.0.16.0/20"]


def test_the_api_may_reach_the_issuer_of_its_tokens() -> None:
    settings = {"oidc_issuer": "https://login.example.com:8443/realm", "oidc_audience": "features"}
    rendered = template(EKS, values={"services": {"api": {"settings": settings}}})
    assert ports(rendered.get("NetworkPolicy", "txfeatures-api")) == {9098, 443, 8443}
    assert ports(rendered.get("NetworkPolicy", "txfeatures-dedup")) == {9098, 443}


def test_alerts_and_dashboards_are_those_of_the_repository() -> None:
    rendered = template(EKS)
    (rule,) = rendered.of("PrometheusRule")
    assert rule["spec"] == yaml.safe_load((CHART / "files" / "alerts.yml").read_text())
    shipped = [
        o for o in rendered.of("ConfigMap") if "grafana_dashboard" in o["metadata"]["labels"]
    ]
    texts = {name: text for found in shipped for name, text in found["data"].items()}
    files = {path.name: path for path in (CHART / "files" / "dashboards").glob("*.json")}
    assert texts.keys() == files.keys()
    for name, path in files.items():
        assert json.loads(texts[name]) == json.loads(path.read_text())


def test_prometheus_knows_the_services_by_the_job_that_the_alerts_ask_for() -> None:
    (monitor,) = template(EKS).of("ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert {"targetLabel": "job", "replacement": "txfeatures"} in endpoint["relabelings"]
    labels = monitor["spec"]["selector"]["matchLabels"]
    for service in template(EKS).of("Service"):
        assert labels.items() <= service["metadata"]["labels"].items()


def test_nothing_needs_an_operator_unless_it_is_asked_for() -> None:
    groups = {found["apiVersion"].partition("/")[0] for found in template(LOCAL).objects}
    assert groups == {"v1", "apps", "batch", "policy", "networking.k8s.io"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"aws": {"region": ""}}, "aws.region is missing"),
        (
            {"settings": {"kafka": {"security": "scram", "sasl_username": "a"}}, "secrets": {}},
            "needs TXF_KAFKA_SASL_PASSWORD in a Secret",
        ),
        ({"settings": {"kafka": {"security": "mtls"}}}, "mtls needs a certificate"),
        ({"services": {"dedup": {"autoscaling": {"maxReplicas": 9}}}}, "stand by idle"),
        ({"services": {"api": {"autoscaling": {"minReplicas": 11}}}}, "above maxReplicas"),
        ({"services": {"api": {"ingress": {"enabled": True}}}}, "ingress.hosts is missing"),
        ({"secrets": {"existing": "a", "external": {"enabled": True}}}, "exclude each other"),
    ],
)
def test_values_that_can_not_work_are_refused_with_a_sentence(
    values: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(EKS, values=values)


def test_a_chart_without_brokers_says_how_to_give_them() -> None:
    said = refusal(values={"aws": {"region": "eu-west-1"}})
    assert "settings.kafka.bootstrap_servers is missing: give the brokers" in said


@pytest.mark.parametrize(
    "values",
    [
        {"imgae": {}},
        {"settings": {"kafka": {"bootstrap_server": "a:9092"}}},
        {"services": {"dedupe": {}}},
        {"services": {"poller": {"settings": {"http_port": 80}}}},
        {"services": {"poller": {"settings": {"interval_s": 5000}}}},
        {"services": {"poller": {"autoscaling": {"by": "lag"}}}},
        {"services": {"api": {"resources": {"limit": {}}}}},
        {"settings": {"kafka": {"sasl_password": "hush"}}},
        {"defaults": {"extraEnv": {"TXF_LOG_LEVEL": "debug"}}},
        {"image": {"tag": "latest"}},
        {"image": {"digests": {"api": "sha256:12"}}},
        {"image": {"digests": {"apis": DIGEST}}},
    ],
    ids=json.dumps,
)
def test_values_that_the_schema_does_not_know_are_refused(values: dict[str, Any]) -> None:
    assert "schema" in refusal(EKS, values=values)


def test_a_digest_decides_instead_of_the_tag_for_both_steps_of_fs_writer_and_no_other() -> None:
    values = {
        "image": {"digests": {"fs_writer": DIGEST}},
        "services": {"fs_writer": {"split": True}},
    }
    pods = [pod["spec"] for _, pod in template(EKS, values=values).pods()]
    images = [container["image"] for pod in pods for container in pod["containers"]]
    fixed = [image for image in images if "@" in image]
    assert len(fixed) == 2
    assert {image.rpartition("/")[2] for image in fixed} == {f"txfeatures-fs-writer@{DIGEST}"}


def test_a_change_of_the_settings_of_one_release_leaves_names_alone() -> None:
    names = {(o["kind"], o["metadata"]["name"]) for o in template(EKS).objects}
    other = template(EKS, values={"image": {"tag": "9.9.9"}, "commonLabels": {"team": "features"}})
    assert {(o["kind"], o["metadata"]["name"]) for o in other.objects} == names
    assert all(o["metadata"]["labels"]["team"] == "features" for o in other.objects)
