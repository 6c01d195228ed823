{{/* Mistakes that the schema can't tell: one sentence each, that says what to do. */}}

{{- define "txfeatures.check" -}}
{{- $kafka := .Values.settings.kafka -}}
{{- $secrets := .Values.secrets -}}
{{- $security := $kafka.security | default "plaintext" -}}
{{- if not $kafka.bootstrap_servers -}}
{{- fail "settings.kafka.bootstrap_servers is missing: give the brokers, host:port, comma-separated" -}}
{{- end -}}
{{- if not .Values.aws.region -}}
{{- fail "aws.region is missing: give the region of the feature group and the bucket" -}}
{{- end -}}
{{- if and $secrets.existing $secrets.external.enabled -}}
{{- fail "secrets.existing and secrets.external.enabled exclude each other: unset one" -}}
{{- end -}}
{{- if and $secrets.external.enabled (or (not $secrets.external.store.name) (not $secrets.external.keys)) -}}
{{- fail "secrets.external needs store.name and keys: say where which setting comes from" -}}
{{- end -}}
{{- if and (eq $security "scram") (not (include "txfeatures.secretName" (dict "root" . "name" "services"))) -}}
{{- fail "settings.kafka.security scram needs TXF_KAFKA_SASL_PASSWORD in a Secret: set secrets.existing or secrets.external" -}}
{{- end -}}
{{- if and (eq $security "mtls") (not $secrets.kafkaTls.existing) -}}
{{- fail "settings.kafka.security mtls needs a certificate: set secrets.kafkaTls.existing to a Secret with tls.crt and tls.key" -}}
{{- end -}}
{{- if and .Values.services.api.ingress.enabled (not .Values.services.api.ingress.hosts) -}}
{{- fail "services.api.ingress.hosts is missing: give the names that the api is served under" -}}
{{- end -}}
{{- $partitions := .Values.bootstrap.settings.partitions | default 4 | int -}}
{{- range $name := without (include "txfeatures.workloads" $ | fromJsonArray) "poller" -}}
{{- $c := include "txfeatures.component" (dict "root" $ "name" $name) | fromJson -}}
{{- if $c.autoscaling.by -}}
{{- if gt (int $c.autoscaling.minReplicas) (int $c.autoscaling.maxReplicas) -}}
{{- fail (printf "services.%s.autoscaling: minReplicas is above maxReplicas" $name) -}}
{{- end -}}
{{- if and (ne $name "api") (gt (int $c.autoscaling.maxReplicas) $partitions) -}}
{{- fail (printf "services.%s.autoscaling.maxReplicas is above bootstrap.settings.partitions (%d): more workers than partitions stand by idle" $name $partitions) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Who reads what, for KEDA: a service's consumer groups and their topics. */}}
{{- define "txfeatures.consumerGroups" -}}
dedup:
  - {group: dedup, topic: raw}
aggregator:
  - {group: aggregator, topic: deduped}
  - {group: aggregator, topic: partials}
fs_writer:
  - {group: fs_writer-features, topic: aggregated}
{{- if .Values.services.fs_writer.split }}
fs_writer_archive:
{{- end }}
  - {group: fs_writer-archive, topic: deduped}
{{- end -}}
