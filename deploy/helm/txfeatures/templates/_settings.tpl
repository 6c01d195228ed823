{{/* Values become environment variables. */}}

{{/* A scalar as the services read it: numbers of values files are floats to helm. */}}
{{- define "txfeatures.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* The values of a component as JSON, those of a service over the defaults, doctor's with the
settings of bootstrap. Takes root, name. */}}
{{- define "txfeatures.component" -}}
{{- $services := .root.Values.services -}}
{{- $service := include "txfeatures.service" . -}}
{{- if hasKey $services $service -}}
{{- mustMergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (get $services $service)) (deepCopy (get $services .name)) | toJson -}}
{{- else if eq .name "doctor" -}}
{{- merge (dict "settings" .root.Values.bootstrap.settings) .root.Values.doctor | toJson -}}
{{- else -}}
{{- get .root.Values .name | toJson -}}
{{- end -}}
{{- end -}}

{{/* A component's environment as YAML, but for what follows from the pod. Takes root, name. */}}
{{- define "txfeatures.environment" -}}
{{- $environment := dict -}}
{{- $values := include "txfeatures.component" . | fromJson -}}
{{- $service := include "txfeatures.service" . -}}
{{- $groups := .root.Files.Get "files/settings.json" | fromJson -}}
{{- range $group := get $groups $service -}}
{{- range $key, $value := get $.root.Values.settings $group | default dict -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $environment (printf "TXF_%s_%s" $group $key | upper) (include "txfeatures.scalar" $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := $values.settings -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $environment (printf "TXF_%s_%s" $service $key | upper) (include "txfeatures.scalar" $value) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $service "fs_writer") .root.Values.services.fs_writer.split -}}
{{- $_ := set $environment "TXF_FS_WRITER_STEPS" (ternary "features" "archive" (eq .name "fs_writer")) -}}
{{- end -}}
{{- if has "kafka" (get $groups $service) -}}
{{- $kafka := .root.Values.settings.kafka -}}
{{- if and (eq ($kafka.security | default "plaintext") "msk_iam") (not $kafka.msk_region) -}}
{{- $_ := set $environment "TXF_KAFKA_MSK_REGION" .root.Values.aws.region -}}
{{- end -}}
{{- with .root.Values.secrets.kafkaTls -}}
{{- if and .existing .signsBrokers -}}
{{- $_ := set $environment "TXF_KAFKA_CA_FILE" "/etc/txfeatures/kafka/ca.crt" -}}
{{- end -}}
{{- if and .existing (eq ($kafka.security | default "plaintext") "mtls") -}}
{{- $_ := set $environment "TXF_KAFKA_CLIENT_CERTIFICATE_FILE" "/etc/txfeatures/kafka/tls.crt" -}}
{{- $_ := set $environment "TXF_KAFKA_CLIENT_KEY_FILE" "/etc/txfeatures/kafka/tls.key" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .root.Values.features (has "features" (get $groups $service)) -}}
{{- $_ := set $environment "TXF_FEATURES_FILE" "/etc/txfeatures/features/features.yaml" -}}
{{- end -}}
{{- $_ := set $environment "AWS_DEFAULT_REGION" .root.Values.aws.region -}}
{{- /* A pod has its own role, never that of its node. */ -}}
{{- $_ := set $environment "AWS_EC2_METADATA_DISABLED" "true" -}}
{{- with .root.Values.aws.endpointUrl -}}
{{- $_ := set $environment "AWS_ENDPOINT_URL" . -}}
{{- end -}}
{{- toYaml (mergeOverwrite $environment $values.extraEnv) -}}
{{- end -}}

{{/* Name of the Secret with the secret settings, empty if there is none. Takes root, name. */}}
{{- define "txfeatures.secretName" -}}
{{- if .root.Values.secrets.existing -}}
{{- .root.Values.secrets.existing -}}
{{- else if .root.Values.secrets.external.enabled -}}
{{- include "txfeatures.fullname" .root -}}{{ if eq .name "bootstrap" }}-bootstrap{{ end -}}-settings
{{- end -}}
{{- end -}}

{{/* The keys of that Secret that a process reads, as JSON. Takes root, name. */}}
{{- define "txfeatures.secretKeys" -}}
{{- $service := include "txfeatures.service" . -}}
{{- $secrets := .root.Files.Get "files/secrets.json" | fromJson -}}
{{- $keys := get $secrets $service -}}
{{- if and (include "txfeatures.usesKafka" .) (eq (.root.Values.settings.kafka.security | default "plaintext") "msk_iam") -}}
{{- $keys = concat $keys (get $secrets "msk_iam") | uniq | sortAlpha -}}
{{- end -}}
{{- $keys | toJson -}}
{{- end -}}

{{/* The port of an URL. */}}
{{- define "txfeatures.urlPort" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end -}}
