{{/* TOML from values. Helm's own toToml would make decimals of whole numbers. */}}

{{- define "mcp.toml" -}}
{{- range $name := keys . | sortAlpha }}
{{- $section := get $ $name }}
{{- if kindIs "slice" $section }}
{{- range $section }}
[[{{ $name }}]]
{{ include "mcp.toml.entries" . }}
{{ end }}
{{- else if kindIs "map" $section }}
[{{ $name }}]
{{ include "mcp.toml.entries" $section }}
{{ end }}
{{- end }}
{{- end -}}

{{- define "mcp.toml.entries" -}}
{{- $lines := list -}}
{{- range $key := keys . | sortAlpha -}}
{{- $value := get $ $key -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $lines = append $lines (printf "%s = %s" (include "mcp.toml.key" $key) (include "mcp.toml.value" $value)) -}}
{{- end -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}

{{- define "mcp.toml.key" -}}
{{- regexMatch "^[A-Za-z0-9_-]+$" . | ternary . (toJson .) -}}
{{- end -}}

{{/* JSON's strings, numbers, booleans and lists of them are TOML too; its objects are not. */}}
{{- define "mcp.toml.value" -}}
{{- if kindIs "map" . -}}
{{- $entries := splitList "\n" (include "mcp.toml.entries" .) -}}
{{- printf "{ %s }" (join ", " $entries) -}}
{{- else if kindIs "slice" . -}}
{{- $values := list -}}
{{- range . -}}{{- $values = append $values (include "mcp.toml.value" .) -}}{{- end -}}
{{- printf "[%s]" (join ", " $values) -}}
{{- else -}}
{{- toJson . -}}
{{- end -}}
{{- end -}}
