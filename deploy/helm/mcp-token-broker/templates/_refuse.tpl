{{/* What cannot work is refused, everything at once, with what to do. Types and forms are in
     values.schema.json; here is what that cannot say, or not in plain words. */}}

{{- define "mcp.refuse" -}}
{{- $problems := list -}}
{{- $values := .Values -}}

{{- range $name, $hint := dict
      "image.registry" "the registry that you pushed the two images to"
      "issuer" "the broker's public base URL, such as https://login.example"
      "publicUrl" "the gateway's public base URL, such as https://mcp.example"
      "nextcloud.url" "the base URL of Nextcloud, such as https://cloud.example"
      "upstream.issuer" "the issuer of the identity provider"
      "upstream.clientId" "the broker's client id at the identity provider" -}}
{{- $value := $values -}}
{{- range splitList "." $name -}}{{- $value = get $value . -}}{{- end -}}
{{- if not $value -}}
{{- $problems = append $problems (printf "%s is missing: %s" $name $hint) -}}
{{- end -}}
{{- end -}}

{{- if and .Values.issuer .Values.publicUrl (eq (include "mcp.host" .Values.issuer) (include "mcp.host" .Values.publicUrl)) -}}
{{- $problems = append $problems "issuer and publicUrl need host names of their own" -}}
{{- end -}}

{{- if eq .Values.database.kind "sqlite" -}}
{{- if .Values.broker.autoscaling.enabled -}}
{{- $problems = append $problems "broker.autoscaling.enabled does not go with database.kind sqlite, which serves one replica: use postgres" -}}
{{- else if ne (int .Values.broker.replicas) 1 -}}
{{- $problems = append $problems (printf "broker.replicas is %d, but database.kind sqlite serves one replica: set it to 1, or use postgres" (int .Values.broker.replicas)) -}}
{{- end -}}
{{- end -}}

{{- if and .Values.secret.existing .Values.secret.data -}}
{{- $problems = append $problems "secret.existing and secret.data exclude each other: the entries are in the Secret that you made" -}}
{{- else if not .Values.secret.existing -}}
{{- $needed := list "upstream-client-secret" -}}
{{- if eq .Values.database.kind "postgres" -}}{{- $needed = append $needed "database-url" -}}{{- end -}}
{{- range .Values.encryptionKeys -}}{{- $needed = append $needed (printf "encryption-key-%s" .) -}}{{- end -}}
{{- range $needed -}}
{{- if not (get $values.secret.data .) -}}
{{- $problems = append $problems (printf "secret.data.%s is missing; or name a Secret of your own in secret.existing" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and .Values.ingress.enabled .Values.httpRoute.enabled -}}
{{- $problems = append $problems "ingress.enabled and httpRoute.enabled exclude each other" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- $problems = append $problems "httpRoute.parentRefs is missing: the Gateway that the routes attach to" -}}
{{- end -}}

{{- if .Values.networkPolicy.enabled -}}
{{- if not .Values.networkPolicy.nextcloudTo -}}
{{- $problems = append $problems "networkPolicy.nextcloudTo is missing: where Nextcloud is, or nothing would reach it" -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.networkPolicy.ingressFrom) -}}
{{- $problems = append $problems "networkPolicy.ingressFrom is missing: the pods that requests come through, or none would arrive" -}}
{{- end -}}
{{- end -}}

{{- range $program := list "broker" "gateway" -}}
{{- $scaling := (get $values $program).autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- $problems = append $problems (printf "%s.autoscaling.minReplicas is larger than maxReplicas" $program) -}}
{{- end -}}
{{- end -}}

{{- range $key := list "broker.config.server.tls" "broker.config.admin.tls" "gateway.config.server.tls" -}}
{{- $value := $values -}}
{{- range splitList "." $key -}}{{- $value = get ($value | default dict) . -}}{{- end -}}
{{- if $value -}}
{{- $problems = append $problems (printf "%s is set, but TLS ends at the ingress or Gateway here: probes, Services and routes speak plain HTTP to the pods" $key) -}}
{{- end -}}
{{- end -}}

{{- if $problems -}}
{{- fail (printf "\n\nThese values cannot work:\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}
