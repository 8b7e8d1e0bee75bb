{{/* Names and labels. */}}

{{- define "mcp.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "mcp.broker" -}}{{ include "mcp.fullname" . }}-broker{{- end -}}
{{- define "mcp.gateway" -}}{{ include "mcp.fullname" . }}-gateway{{- end -}}

{{- define "mcp.secret" -}}
{{- .Values.secret.existing | default (include "mcp.fullname" .) -}}
{{- end -}}

{{/* By which Services and policies find pods; part of Deployments that cannot change.
     Takes a list: the root, and broker, gateway or check. */}}
{{- define "mcp.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "mcp.labels" -}}
{{- $root := index . 0 -}}
{{ include "mcp.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* A list: the root, and broker or gateway. */}}
{{- define "mcp.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- $program := index . 1 -}}
{{- printf "%s/%s:%s" $image.registry (get $image $program) ($image.tag | default (index . 0).Chart.AppVersion) -}}
{{- with get $image (printf "%sDigest" $program) }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "mcp.host" -}}{{ (urlParse .).hostname }}{{- end -}}

{{/* The port of a URL. */}}
{{- define "mcp.port" -}}
{{- $host := (urlParse .).host -}}
{{- if regexMatch ":[0-9]+$" $host -}}
{{- regexFind "[0-9]+$" $host -}}
{{- else -}}
{{- hasPrefix "http:" . | ternary "80" "443" -}}
{{- end -}}
{{- end -}}
