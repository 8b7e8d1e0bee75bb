{{/* The configuration files: what the chart knows, and over it what the operator says. */}}

{{- define "mcp.paths.secrets" -}}/etc/mcp-token-broker/secrets{{- end -}}
{{- define "mcp.paths.config" -}}/etc/mcp-token-broker/config{{- end -}}
{{- define "mcp.paths.cluster" -}}/var/run/secrets/cluster{{- end -}}
{{- define "mcp.paths.token" -}}/var/run/secrets/broker{{- end -}}
{{- define "mcp.paths.data" -}}/var/lib/mcp-token-broker{{- end -}}
{{- define "mcp.paths.authorities" -}}/etc/mcp-token-broker/authorities{{- end -}}

{{- define "mcp.secretFile" -}}
{ file: {{ printf "%s/%s" (include "mcp.paths.secrets" .) . | quote }} }
{{- end -}}

{{/* The identifier of the gateway's resource, the `aud` of its tokens. */}}
{{- define "mcp.resource" -}}{{ .Values.publicUrl }}/mcp{{- end -}}

{{/* Requests that are on their way to a pod that is about to stop still arrive. Both together are less
     than the pods' terminationGracePeriodSeconds. */}}
{{- define "mcp.stopping" -}}
shutdown_delay: 5s
shutdown_grace: 30s
{{- end -}}

{{- define "mcp.broker.defaults" -}}
server:
  issuer: {{ .Values.issuer | quote }}
  listen: "0.0.0.0:4280"
  trusted_proxies: {{ .Values.trustedProxies | toJson }}
  {{- include "mcp.stopping" . | nindent 2 }}
admin:
  listen: "0.0.0.0:4281"
database:
  {{- if eq .Values.database.kind "sqlite" }}
  url: {{ printf "sqlite:%s/broker.db" (include "mcp.paths.data" .) | quote }}
  {{- else }}
  url: {{ include "mcp.secretFile" "database-url" }}
  {{- end }}
keys:
  encryption:
    {{- range .Values.encryptionKeys }}
    - id: {{ . | quote }}
      key: {{ include "mcp.secretFile" (printf "encryption-key-%s" .) }}
    {{- end }}
upstream:
  kind: {{ .Values.upstream.kind }}
  issuer: {{ .Values.upstream.issuer | quote }}
  client_id: {{ .Values.upstream.clientId | quote }}
  client_secret: {{ include "mcp.secretFile" "upstream-client-secret" }}
  {{- if ne .Values.upstream.kind "nextcloud_oauth2" }}
  uid_claim: {{ .Values.upstream.uidClaim | quote }}
  {{- end }}
resources:
  - id: {{ include "mcp.resource" . | quote }}
    name: Nextcloud tools
    default: true
    downstreams: [nextcloud]
    scopes: {{ .Values.scopes | toJson }}
downstreams:
  - name: nextcloud
    uri: {{ .Values.nextcloud.url | quote }}
    audience: {{ .Values.nextcloud.audience | quote }}
    strategy: {{ .Values.nextcloud.strategy }}
clients:
  - client_id: mcp-gateway
    name: MCP gateway
    serves: [{{ include "mcp.resource" . | quote }}]
    exchange: [nextcloud]
    service_account:
      issuer: {{ .Values.cluster.issuer | quote }}
      subject: {{ printf "system:serviceaccount:%s:%s" .Release.Namespace (include "mcp.gateway" .) | quote }}
      jwks: {{ .Values.cluster.jwksUrl | quote }}
      {{- if not .Values.cluster.jwksIsPublic }}
      jwks_token: { file: {{ include "mcp.paths.cluster" . }}/token }
      jwks_ca: { file: {{ include "mcp.paths.cluster" . }}/ca.crt }
      {{- end }}
{{- end -}}

{{- define "mcp.gateway.defaults" -}}
server:
  public_url: {{ .Values.publicUrl | quote }}
  listen: "0.0.0.0:4282"
  metrics_listen: "0.0.0.0:4285"
  {{- include "mcp.stopping" . | nindent 2 }}
broker:
  issuer: {{ .Values.issuer | quote }}
  back_channel_url: {{ printf "http://%s.%s.svc:4280" (include "mcp.broker" .) .Release.Namespace | quote }}
  client_id: mcp-gateway
  client_assertion: { file: {{ include "mcp.paths.token" . }}/token }
nextcloud:
  url: {{ .Values.nextcloud.url | quote }}
{{- end -}}

{{- define "mcp.broker.config" -}}
{{- $defaults := include "mcp.broker.defaults" . | fromYaml -}}
{{- include "mcp.toml" (mergeOverwrite $defaults (deepCopy .Values.broker.config)) | trim -}}
{{- end -}}

{{- define "mcp.gateway.config" -}}
{{- $defaults := include "mcp.gateway.defaults" . | fromYaml -}}
{{- include "mcp.toml" (mergeOverwrite $defaults (deepCopy .Values.gateway.config)) | trim -}}
{{- end -}}
