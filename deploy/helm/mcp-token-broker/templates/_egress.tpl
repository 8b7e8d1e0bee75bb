{{/* Where the pods may go: rules of NetworkPolicies. */}}

{{- define "mcp.egress.dns" -}}
- to: {{- toYaml .Values.networkPolicy.dnsTo | nindent 4 }}
  ports:
    - { protocol: UDP, port: 53 }
    - { protocol: TCP, port: 53 }
{{- end -}}

{{- define "mcp.egress.nextcloud" -}}
- to: {{- toYaml .Values.networkPolicy.nextcloudTo | nindent 4 }}
  ports:
    - { protocol: TCP, port: {{ .Values.networkPolicy.nextcloudPort | default (include "mcp.port" .Values.nextcloud.url) }} }
{{- end -}}

{{- define "mcp.broker.egress" -}}
{{ include "mcp.egress.dns" . }}
{{ include "mcp.egress.nextcloud" . }}
{{- with .Values.networkPolicy }}
{{- if .brokerTo }}
- to: {{- toYaml .brokerTo | nindent 4 }}
  ports:
    {{- range .brokerPorts }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}
{{- if eq $.Values.database.kind "postgres" }}
- ports:
    - { protocol: TCP, port: {{ .databasePort }} }
  {{- with .databaseTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}
