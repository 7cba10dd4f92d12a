{{/* What holds: your values over the preset's over those of all presets. */}}
{{- define "hermes.values" -}}
{{- $common := .Files.Get "presets/gpu.yaml" | fromYaml -}}
{{- $preset := .Files.Get (printf "presets/%s.yaml" .Values.preset) | fromYaml -}}
{{- mustMergeOverwrite $common $preset (deepCopy .Values) | toYaml -}}
{{- end -}}

{{/* The image of a service. Takes `root`, `v` (what holds) and `service`. */}}
{{- define "hermes.image" -}}
{{- $images := .v.images -}}
{{- $name := printf "hermes-live-%s" .service -}}
{{- with $images.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- $tag := default .root.Chart.AppVersion $images.tag -}}
{{- if and (eq .service "worker") (gt (int .v.worker.gpu.count) 0) }}{{ $tag = printf "%s-cuda" $tag }}{{ end -}}
{{- with get $images.digests .service -}}
{{ $name }}@{{ . }}
{{- else -}}
{{ $name }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{/* A number among a service's settings: yours, or the preset's. Takes `of` and `name`. */}}
{{- define "hermes.setting" -}}
{{- if hasKey .of.settings .name -}}
{{ get .of.settings .name }}
{{- else -}}
{{ get .of.defaults .name }}
{{- end -}}
{{- end -}}

{{/* The data of a ConfigMap. */}}
{{- define "hermes.data" -}}
{{- range $name, $value := . }}
{{ $name }}: {{ if kindIs "string" $value }}{{ quote $value }}{{ else }}{{ toJson $value | quote }}{{ end }}
{{- end }}
{{- end -}}

{{/* Settings that the chart makes for a service, as a dictionary. Takes `v` and `service`. */}}
{{- define "hermes.chartSettings" -}}
{{- $v := .v -}}
{{- $made := dict -}}
{{- if eq .service "gateway" -}}
{{- $made = dict "HERMES_METRICS_PORT" "9101" "HERMES_LISTEN" "0.0.0.0:50051" "HERMES_DRAIN_GRACE_S" "20" -}}
{{- else if eq .service "worker" -}}
{{- $made = dict "HERMES_METRICS_PORT" "9102" "HERMES_LISTEN" "0.0.0.0:50061" -}}
{{- else if eq .service "decoder" -}}
{{- $made = dict "HERMES_METRICS_PORT" "9103" -}}
{{- else if eq .service "web" -}}
{{- $made = dict "HERMES_METRICS_PORT" "9105" "HERMES_LISTEN" "0.0.0.0:8000" "HERMES_GATEWAY" "hermes-gateway:50051" "HERMES_DRAIN_GRACE_S" "20" -}}
{{- else -}}
{{- $made = dict "HERMES_METRICS_PORT" "9104" "HERMES_SINKS" "/etc/hermes/sinks/sinks.yaml" -}}
{{- end -}}
{{- $made = mustMergeOverwrite $made (default dict (get $v .service).defaults) -}}
{{- if $v.tls.enabled -}}
{{- if eq .service "web" -}}
{{- $_ := set $made "HERMES_GATEWAY_CA_FILE" "/etc/hermes/gateway-tls/ca.crt" -}}
{{- else -}}
{{- $_ := set $made "HERMES_REDIS_TLS_CA_FILE" "/etc/hermes/redis-tls/ca.crt" -}}
{{- end -}}
{{- if has .service (list "gateway" "worker" "web") -}}
{{- $_ := set $made "HERMES_TLS_CERT_FILE" "/etc/hermes/tls/tls.crt" -}}
{{- $_ := set $made "HERMES_TLS_KEY_FILE" "/etc/hermes/tls/tls.key" -}}
{{- end -}}
{{- end -}}
{{- if and $v.redis.users (ne .service "web") -}}
{{- $_ := set $made "HERMES_REDIS_USERNAME" (printf "hermes-%s" .service) -}}
{{- $_ := set $made "HERMES_REDIS_PASSWORD_FILE" (printf "/etc/hermes/redis/%s" .service) -}}
{{- end -}}
{{- if eq .service "gateway" -}}
{{- if $v.tls.enabled -}}
{{- $_ := set $made "HERMES_WORKER_TLS_CA_FILE" "/etc/hermes/tls/ca.crt" -}}
{{- $_ := set $made "HERMES_WORKER_TLS_CERT_FILE" "/etc/hermes/tls/tls.crt" -}}
{{- $_ := set $made "HERMES_WORKER_TLS_KEY_FILE" "/etc/hermes/tls/tls.key" -}}
{{- /* Workers are called by their pods' addresses, which no certificate can name. */}}
{{- $_ := set $made "HERMES_WORKER_TLS_NAME" "hermes-worker" -}}
{{- end -}}
{{- if $v.auth.tokens }}{{ $_ := set $made "HERMES_TOKENS_FILE" "/etc/hermes/tokens/tokens.yaml" }}{{ end -}}
{{- /* It would answer anybody. */}}
{{- if or $v.auth.tokens $v.auth.jwt.enabled }}{{ $_ := set $made "HERMES_REFLECTION" "false" }}{{ end -}}
{{- else if eq .service "worker" -}}
{{- if $v.tls.enabled }}{{ $_ := set $made "HERMES_TLS_CLIENT_CA_FILE" "/etc/hermes/tls/ca.crt" }}{{ end -}}
{{- if eq $v.checkpoints.store "volume" }}{{ $_ := set $made "HERMES_CHECKPOINT_URL" "/var/lib/hermes/checkpoints" }}{{ end -}}
{{- if $v.worker.models.existingClaim }}{{ $_ := set $made "HF_HUB_OFFLINE" "1" }}{{ end -}}
{{- end -}}
{{- toYaml $made -}}
{{- end -}}

{{/* Yours for a service, with those that have values of their own. Takes `v` and `service`. */}}
{{- define "hermes.yourSettings" -}}
{{- $yours := deepCopy (get .v .service).settings -}}
{{- if and (eq .service "gateway") .v.auth.jwt.enabled -}}
{{- $_ := set $yours "HERMES_JWT_JWKS" .v.auth.jwt.jwks -}}
{{- $_ := set $yours "HERMES_JWT_ISSUER" .v.auth.jwt.issuer -}}
{{- $_ := set $yours "HERMES_JWT_AUDIENCE" .v.auth.jwt.audience -}}
{{- end -}}
{{- if and (eq .service "worker") (eq .v.checkpoints.store "s3") -}}
{{- $_ := set $yours "HERMES_CHECKPOINT_URL" .v.checkpoints.url -}}
{{- end -}}
{{- toYaml $yours -}}
{{- end -}}

{{/* Redis' files. */}}
{{- define "hermes.redisFiles" -}}
{{- $files := dict "redis.conf" (.root.Files.Get "files/redis.conf") -}}
{{- if .v.tls.enabled }}{{ $_ := set $files "with-tls.conf" (.root.Files.Get "files/with-tls.conf") }}{{ end -}}
{{- if .v.redis.users }}{{ $_ := set $files "users.acl" (.root.Files.Get "files/users.acl") }}{{ end -}}
{{- toYaml $files -}}
{{- end -}}
