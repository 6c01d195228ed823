{{/* What every pod of the chart has in common. */}}

{{- define "txfeatures.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The first fields of a pod's spec. Takes root, name, c. */}}
{{- define "txfeatures.podSpec" -}}
serviceAccountName: {{ include "txfeatures.serviceAccountName" . }}
automountServiceAccountToken: false
# Kubernetes' <SERVICE>_PORT variables could look like settings, and be refused.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .c.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .c.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .c.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Where a container's environment comes from. Takes root, name. */}}
{{- define "txfeatures.envFrom" -}}
- configMapRef:
    name: {{ include "txfeatures.componentName" . }}
{{- end -}}

{{/* A container's secrets: the keys that its process reads, of which the Secret may lack some.
Takes root, name. */}}
{{- define "txfeatures.secretEnv" -}}
{{- $secret := include "txfeatures.secretName" . -}}
{{- if $secret -}}
{{- range include "txfeatures.secretKeys" . | fromJsonArray }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ . }}, optional: true}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" if a process connects to Kafka. Takes root, name. */}}
{{- define "txfeatures.usesKafka" -}}
{{- $groups := .root.Files.Get "files/settings.json" | fromJson -}}
{{- if has "kafka" (get $groups (include "txfeatures.service" .) | default list) -}}true{{- end -}}
{{- end -}}

{{/* Name of the ConfigMap with the declared features: the hook's bootstrap runs before that of
the services is there. Takes root, name. */}}
{{- define "txfeatures.featuresName" -}}
{{- include "txfeatures.fullname" .root -}}-features{{ if eq .name "bootstrap" }}-bootstrap{{ end -}}
{{- end -}}

{{/* Takes root, name. */}}
{{- define "txfeatures.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if and .root.Values.secrets.kafkaTls.existing (include "txfeatures.usesKafka" .) }}
- name: kafka-tls
  mountPath: /etc/txfeatures/kafka
  readOnly: true
{{- end }}
{{- if .root.Values.features }}
- name: features
  mountPath: /etc/txfeatures/features
  readOnly: true
{{- end }}
{{- end -}}

{{/* Takes root, name. */}}
{{- define "txfeatures.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if and .root.Values.secrets.kafkaTls.existing (include "txfeatures.usesKafka" .) }}
- name: kafka-tls
  secret:
    secretName: {{ .root.Values.secrets.kafkaTls.existing }}
    defaultMode: 0440
{{- end }}
{{- if .root.Values.features }}
- name: features
  configMap:
    name: {{ include "txfeatures.featuresName" . }}
{{- end }}
{{- end -}}

{{/* Takes c, root, name, config: the environment, whose change restarts the pod. */}}
{{- define "txfeatures.podMetadata" -}}
labels:
  {{- include "txfeatures.labels" . | nindent 2 }}
  {{- with .c.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  checksum/config: {{ .config | sha256sum }}
  {{- with .root.Values.features }}
  checksum/features: {{ . | sha256sum }}
  {{- end }}
  {{- with .c.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
