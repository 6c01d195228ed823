{{/* The pod template of a service. Takes root, name, c, kind. */}}
{{- define "txfeatures.podTemplate" -}}
{{- $component := include "txfeatures.componentName" . -}}
metadata:
  {{- include "txfeatures.podMetadata" (merge (dict "config" (include "txfeatures.environment" .)) .) | nindent 2 }}
spec:
  {{- include "txfeatures.podSpec" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ int .c.terminationGracePeriodSeconds }}
  {{- $spread := list (list .c.topologySpread.zone "topology.kubernetes.io/zone") (list .c.topologySpread.host "kubernetes.io/hostname") }}
  {{- if or .c.topologySpread.zone .c.topologySpread.host }}
  topologySpreadConstraints:
    {{- range $spread }}
    {{- if first . }}
    - maxSkew: 1
      topologyKey: {{ last . }}
      whenUnsatisfiable: {{ first . }}
      labelSelector:
        matchLabels:
          {{- include "txfeatures.selectorLabels" $ | nindent 10 }}
    {{- end }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ replace "_" "-" .name }}
      image: {{ include "txfeatures.image" . }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      securityContext:
        {{- include "txfeatures.containerSecurity" . | nindent 8 }}
      ports:
        - name: http
          containerPort: 8080
        {{- if eq .name "api" }}
        - name: public
          containerPort: 8000
        {{- end }}
      envFrom:
        {{- include "txfeatures.envFrom" . | nindent 8 }}
      {{- $secrets := include "txfeatures.secretEnv" . }}
      {{- if or $secrets (eq .kind "StatefulSet") }}
      env:
        {{- with $secrets }}
        {{- . | trim | nindent 8 }}
        {{- end }}
        {{- if eq .kind "StatefulSet" }}
        # The pod's name stays the same from one life to the next.
        - name: {{ ternary "TXF_POLLER_NAME" (printf "TXF_%s_INSTANCE_ID" (upper .name)) (eq .name "poller") }}
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- if eq .name "poller" }}
        - name: TXF_POLLER_SPOOL_DIR
          value: /var/lib/txfeatures
        {{- end }}
        {{- end }}
      {{- end }}
      resources: {{- toYaml .c.resources | nindent 8 }}
      startupProbe:
        httpGet: {path: /healthz, port: http}
        {{- toYaml .c.probes.startup | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        {{- toYaml .c.probes.readiness | nindent 8 }}
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        {{- toYaml .c.probes.liveness | nindent 8 }}
      volumeMounts:
        {{- include "txfeatures.volumeMounts" . | nindent 8 }}
        {{- if eq .name "poller" }}
        - name: spool
          mountPath: /var/lib/txfeatures
        {{- end }}
  volumes:
    {{- include "txfeatures.volumes" . | nindent 4 }}
{{- end -}}

{{/* The pod template of a command that ends. Takes root, name, c, command. */}}
{{- define "txfeatures.commandTemplate" -}}
metadata:
  {{- include "txfeatures.podMetadata" (merge (dict "config" (include "txfeatures.environment" .)) .) | nindent 2 }}
spec:
  {{- include "txfeatures.podSpec" . | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: {{ .name }}
      image: {{ include "txfeatures.image" (dict "root" .root "name" "tools") }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .command }}]
      securityContext:
        {{- include "txfeatures.containerSecurity" . | nindent 8 }}
      envFrom:
        {{- include "txfeatures.envFrom" . | nindent 8 }}
      {{- with include "txfeatures.secretEnv" . }}
      env:
        {{- . | trim | nindent 8 }}
      {{- end }}
      resources: {{- toYaml .c.resources | nindent 8 }}
      volumeMounts:
        {{- include "txfeatures.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "txfeatures.volumes" . | nindent 4 }}
{{- end -}}
