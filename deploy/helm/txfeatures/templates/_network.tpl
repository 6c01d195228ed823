{{/* Who may reach a component, and what it may reach. Both take root, name. */}}

{{- define "txfeatures.ingress" -}}
{{- if has .name (list "bootstrap" "compact") -}}
ingress: []
{{- else -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $namespaces := $policy.scrapeFromNamespaces -}}
{{- $open := not $namespaces -}}
{{- if eq .name "api" -}}
{{- $open = or $open (not $policy.apiFromNamespaces) -}}
{{- $namespaces = concat $namespaces $policy.apiFromNamespaces | uniq -}}
{{- end -}}
ingress:
  - ports:
      - {port: http, protocol: TCP}
    {{- if not $open }}
    from:
      {{- if eq .name "api" }}
      - podSelector:
          matchLabels:
            {{- include "txfeatures.selectorLabels" (dict "root" .root "name" "test") | nindent 12 }}
      {{- end }}
      - namespaceSelector:
          matchExpressions:
            - key: kubernetes.io/metadata.name
              operator: In
              values: {{- toYaml $namespaces | nindent 16 }}
    {{- end }}
{{- end -}}
{{- end -}}

{{/* Kafka by the brokers' ports; AWS always, for credentials come from there. */}}
{{- define "txfeatures.egress" -}}
{{- $values := .root.Values -}}
{{- $ports := list -}}
{{- if ne .name "compact" -}}
{{- range regexFindAll ":[0-9]+" ($values.settings.kafka.bootstrap_servers | default "") -1 -}}
{{- $ports = append $ports (trimPrefix ":" .) -}}
{{- end -}}
{{- end -}}
{{- $ports = append $ports (include "txfeatures.urlPort" ($values.aws.endpointUrl | default "https://aws")) -}}
{{- if eq .name "poller" -}}
{{- $ports = append $ports (include "txfeatures.urlPort" ($values.services.poller.settings.url | default "https://blockchain.info")) -}}
{{- end -}}
{{- if $values.settings.tracing.endpoint -}}
{{- $ports = append $ports (include "txfeatures.urlPort" $values.settings.tracing.endpoint) -}}
{{- end -}}
{{- range $values.networkPolicy.extraEgressPorts -}}
{{- $ports = append $ports (int . | toString) -}}
{{- end -}}
egress:
  - ports:
      - {port: 53, protocol: UDP}
      - {port: 53, protocol: TCP}
      {{- range uniq $ports }}
      - {port: {{ . }}, protocol: TCP}
      {{- end }}
  {{- if $values.aws.podIdentity }}
  # The agent of EKS Pod Identity.
  - to:
      - ipBlock: {cidr: 169.254.170.23/32}
      - ipBlock: {cidr: "fd00:ec2::23/128"}
    ports:
      - {port: 80, protocol: TCP}
  {{- end }}
{{- end -}}
