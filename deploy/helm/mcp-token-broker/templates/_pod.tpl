{{/* What the pods of both programs have in common. */}}

{{- define "mcp.pod.securityContext" -}}
runAsNonRoot: true
{{- range $name, $id := .Values.podSecurityContext }}
{{- if not (kindIs "invalid" $id) }}
{{ $name }}: {{ int64 $id }}
{{- end }}
{{- end }}
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "mcp.container.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Where pods go. A list: the root, and broker or gateway. */}}
{{- define "mcp.pod.scheduling" -}}
{{- $root := index . 0 -}}
{{- $values := get $root.Values (index . 1) -}}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if $root.Values.topologyKeys }}
topologySpreadConstraints:
  {{- range $key := $root.Values.topologyKeys }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "mcp.selector" (list $root (index $ 1)) | nindent 8 }}
    # Only the pods of one version count, so that a rolling update does not skew the next.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{- define "mcp.pod.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The programs look at these two variables before the image's own certificates. */}}
{{- define "mcp.authorities.env" -}}
{{- if .Values.certificateAuthorities.configMap }}
- name: SSL_CERT_FILE
  value: {{ include "mcp.paths.authorities" . }}/{{ .Values.certificateAuthorities.key }}
{{- end }}
{{- end -}}

{{- define "mcp.authorities.mount" -}}
{{- if .Values.certificateAuthorities.configMap }}
- name: authorities
  mountPath: {{ include "mcp.paths.authorities" . }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "mcp.authorities.volume" -}}
{{- with .Values.certificateAuthorities.configMap }}
- name: authorities
  configMap: { name: {{ . }} }
{{- end }}
{{- end -}}

{{/* The first answer may take a while: a migration runs before it. */}}
{{- define "mcp.probes" -}}
startupProbe:
  httpGet: { path: /health/live, port: http }
  periodSeconds: 2
  failureThreshold: 150
livenessProbe:
  httpGet: { path: /health/live, port: http }
  periodSeconds: 10
  timeoutSeconds: 2
  failureThreshold: 3
readinessProbe:
  httpGet: { path: /health/ready, port: http }
  periodSeconds: 5
  # The programs give their own dependencies up to three seconds.
  timeoutSeconds: 4
  failureThreshold: 2
{{- end -}}

{{/* Volumes of the broker. A list: the root, and the names of its ConfigMap and its Secret. */}}
{{- define "mcp.broker.volumes" -}}
{{- $root := index . 0 -}}
- name: config
  configMap: { name: {{ index . 1 }} }
- name: secrets
  secret:
    secretName: {{ index . 2 }}
    defaultMode: 0440
{{- include "mcp.authorities.volume" $root }}
{{- with $root.Values.broker.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "mcp.broker.mounts" -}}
- name: config
  mountPath: {{ include "mcp.paths.config" . }}
  readOnly: true
- name: secrets
  mountPath: {{ include "mcp.paths.secrets" . }}
  readOnly: true
{{- include "mcp.authorities.mount" . }}
{{- with .Values.broker.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A list: the root, and broker or gateway. */}}
{{- define "mcp.env" -}}
{{- $root := index . 0 -}}
{{- $values := get $root.Values (index . 1) -}}
- name: RUST_LOG
  value: {{ $values.log | quote }}
{{- include "mcp.authorities.env" $root }}
{{- with $values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}
