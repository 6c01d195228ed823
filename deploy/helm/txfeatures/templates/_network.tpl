{{/* Who may reach a component, and what it may reach. Both take root, name. */}}

{{- define "txfeatures.ingress" -}}
{{- if include "txfeatures.isCommand" . -}}
ingress: []
{{- else -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $balancers := ternary $policy.apiFromCidrs list (eq .name "api") -}}
ingress:
  - ports:
      - {port: http, protocol: TCP}
    {{- if $policy.scrapeFromNamespaces }}
    from:
      {{- include "txfeatures.namespaces" $policy.scrapeFromNamespaces | nindent 6 }}
      {{- include "txfeatures.cidrs" $balancers | nindent 6 }}
    {{- end }}
  {{- if eq .name "api" }}
  - ports:
      - {port: public, protocol: TCP}
    {{- if or $policy.apiFromNamespaces $balancers }}
    from:
      - podSelector:
          matchLabels:
            {{- include "txfeatures.selectorLabels" (dict "root" .root "name" "test") | nindent 12 }}
      {{- with $policy.apiFromNamespaces }}
      {{- include "txfeatures.namespaces" . | nindent 6 }}
      {{- end }}
      {{- include "txfeatures.cidrs" $balancers | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Peers of a policy: all pods of namespaces. Takes their names. */}}
{{- define "txfeatures.namespaces" -}}
- namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{- toYaml . | nindent 10 }}
{{- end -}}

{{/* Peers of a policy: networks. Takes them. */}}
{{- define "txfeatures.cidrs" -}}
{{- range . }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
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
{{- if and (eq .name "api") $values.services.api.settings.oidc_issuer -}}
{{- $ports = append $ports (include "txfeatures.urlPort" $values.services.api.settings.oidc_issuer) -}}
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
