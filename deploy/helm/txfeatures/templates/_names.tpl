{{/* Names and labels. */}}

{{- define "txfeatures.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Names of what runs for ever, as a JSON list: the services, fs_writer as two if it is split. */}}
{{- define "txfeatures.workloads" -}}
{{- $names := list "poller" "dedup" "aggregator" "fs_writer" -}}
{{- if .Values.services.fs_writer.split -}}
{{- $names = append $names "fs_writer_archive" -}}
{{- end -}}
{{- append $names "api" | toJson -}}
{{- end -}}

{{/* The process whose settings a component reads: doctor examines with bootstrap's. Takes name. */}}
{{- define "txfeatures.service" -}}
{{- if eq .name "doctor" -}}bootstrap{{- else -}}{{- trimSuffix "_archive" .name -}}{{- end -}}
{{- end -}}

{{/* "true" if a component is a command, which ends and which nobody calls. Takes name. */}}
{{- define "txfeatures.isCommand" -}}
{{- if has .name (list "bootstrap" "compact" "doctor") -}}true{{- end -}}
{{- end -}}

{{/* "true" unless a component is a command that is switched off. Takes root, name. */}}
{{- define "txfeatures.enabled" -}}
{{- if or (not (include "txfeatures.isCommand" .)) (get .root.Values .name).enabled -}}true{{- end -}}
{{- end -}}

{{/* The kind of a workload: those with state keep their names. Takes the name. */}}
{{- define "txfeatures.kind" -}}
{{- ternary "StatefulSet" "Deployment" (has . (list "poller" "dedup" "aggregator")) -}}
{{- end -}}

{{/* Name of a component's objects. Takes root, name. */}}
{{- define "txfeatures.componentName" -}}
{{- printf "%s-%s" (include "txfeatures.fullname" .root) (replace "_" "-" .name) -}}
{{- end -}}

{{/* Takes root, name. */}}
{{- define "txfeatures.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ replace "_" "-" .name }}
{{- end -}}

{{/* Takes root, name. */}}
{{- define "txfeatures.labels" -}}
{{ include "txfeatures.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Takes root, name, c: the component's values. */}}
{{- define "txfeatures.serviceAccountName" -}}
{{- if .c.serviceAccount.name -}}
{{- .c.serviceAccount.name -}}
{{- else if .c.serviceAccount.create -}}
{{- include "txfeatures.componentName" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* Takes root, name: of the image, a service or "tools". */}}
{{- define "txfeatures.image" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $service := include "txfeatures.service" . -}}
txfeatures-{{ replace "_" "-" $service }}
{{- with get .root.Values.image.digests $service }}@{{ . }}{{ else }}:{{ $.root.Values.image.tag | default $.root.Chart.AppVersion }}{{ end }}
{{- end -}}

{{/* What a hook needs must be there before it, and is gone after it. Takes the weight. */}}
{{- define "txfeatures.hookAnnotations" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
