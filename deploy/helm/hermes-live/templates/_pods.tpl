{{/* Labels of every object. Takes `root`. */}}
{{- define "hermes.labels" -}}
app.kubernetes.io/part-of: hermes-live
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Those of pods: the same over all versions, or else every upgrade would replace them. Takes `service`. */}}
{{- define "hermes.podLabels" -}}
app.kubernetes.io/name: hermes-{{ .service }}
app.kubernetes.io/part-of: hermes-live
{{- end -}}

{{/* Sums of what a pod reads at its start alone, so that a change replaces it. Takes `root`, `v`, `service`, and
`secrets`, a list of names. The Secret's id keeps a weak password from being guessed by its sum. */}}
{{- define "hermes.podAnnotations" -}}
{{- if eq .service "redis" }}
checksum/config: {{ include "hermes.redisFiles" . | sha256sum }}
{{- else }}
checksum/config: {{ printf "%s\n%s" (include "hermes.chartSettings" .) (include "hermes.yourSettings" .) | sha256sum }}
{{- end }}
{{- if .v.secretChecksums }}
{{- $seen := list }}
{{- $namespace := .root.Release.Namespace }}
{{- range .secrets }}
{{- with lookup "v1" "Secret" $namespace . }}{{ $seen = append $seen (printf "%s %s" .metadata.uid (toJson .data)) }}{{ end }}
{{- end }}
{{- if $seen }}
checksum/secrets: {{ toJson $seen | sha256sum }}
{{- end }}
{{- end }}
{{- with (get .v .service).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What a pod may do. Takes `v`, `user`, and `large` for volumes that take long to be given to its group. */}}
{{- define "hermes.podSecurity" -}}
runAsNonRoot: true
{{- if not .v.openshift }}
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
{{- end }}
{{- if .large }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "hermes.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Pods of a service lie on nodes of their own, if they can. Takes `service`, and `revisions` for a Deployment. */}}
{{- define "hermes.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      app.kubernetes.io/name: hermes-{{ .service }}
  {{- if .revisions }}
  # Pods of the version before are about to go: where they are does not count.
  matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end -}}

{{/*
Pods of a Deployment lie in zones of their own, if they can. As a second constraint it would undo the first where nodes
have no zone: the scheduler then spreads over no node at all. Takes `service`.
*/}}
{{- define "hermes.apartByZone" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: topology.kubernetes.io/zone
        labelSelector:
          matchLabels:
            app.kubernetes.io/name: hermes-{{ .service }}
        matchLabelKeys: [pod-template-hash]
{{- end -}}

{{/* Where settings come from: of the same name, the last one counts, which is yours. Takes `service`. */}}
{{- define "hermes.settingsFrom" -}}
- configMapRef:
    name: hermes-{{ .service }}
{{- if eq .service "worker" }}
# HF_TOKEN, for models that are not public.
- secretRef:
    name: hermes-model-hub
    optional: true
{{- end }}
- configMapRef:
    name: hermes-{{ .service }}-settings
{{- end -}}

{{/* The HTTP door is a client of the gateway, and knows no Redis. Takes `service`. */}}
{{- define "hermes.commonEnv" -}}
- name: HERMES_INSTANCE
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if ne .service "web" }}
- name: HERMES_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: hermes-redis
      key: url
{{- end }}
{{- end -}}

{{/* Variables that come from your settings: while one is missing the pod waits, and its events name it. */}}
{{- define "hermes.neededEnv" -}}
{{- $service := .service -}}
{{- range .names }}
- name: {{ . }}
  valueFrom:
    configMapKeyRef:
      name: hermes-{{ $service }}-settings
      key: {{ . }}
{{- end }}
{{- end -}}

{{/* A slow start is no reason to begin anew; /readyz says 503 until the service serves. Takes `period`, `timeout` and
`failures` of the startup probe. */}}
{{- define "hermes.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: metrics
  periodSeconds: {{ .period }}
  timeoutSeconds: {{ .timeout }}
  failureThreshold: {{ .failures }}
readinessProbe:
  httpGet:
    path: /readyz
    port: metrics
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet:
    path: /healthz
    port: metrics
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{/* Certificates and passwords of a service, as mounts and as volumes. Take `v` and `service`. */}}
{{- define "hermes.secretMounts" -}}
{{- if .v.tls.enabled }}
{{- if has .service (list "gateway" "worker" "web") }}
- name: tls
  mountPath: /etc/hermes/tls
  readOnly: true
{{- end }}
{{- if eq .service "web" }}
- name: gateway-tls
  mountPath: /etc/hermes/gateway-tls
  readOnly: true
{{- else }}
- name: redis-tls
  mountPath: /etc/hermes/redis-tls
  readOnly: true
{{- end }}
{{- end }}
{{- if and .v.redis.users (ne .service "web") }}
- name: redis-user
  mountPath: /etc/hermes/redis
  readOnly: true
{{- end }}
{{- end -}}

{{- define "hermes.secretVolumes" -}}
{{- if .v.tls.enabled }}
{{- if has .service (list "gateway" "worker" "web") }}
- name: tls
  secret:
    secretName: hermes-{{ .service }}-tls
{{- end }}
{{- /* The HTTP door gets the gateway's authority, and nothing of Redis. */}}
{{- $other := ternary "gateway" "redis" (eq .service "web") }}
- name: {{ $other }}-tls
  secret:
    secretName: hermes-{{ $other }}-tls
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- if and .v.redis.users (ne .service "web") }}
- name: redis-user
  secret:
    secretName: hermes-redis-users
    # Its own password alone.
    items:
      - key: {{ .service }}
        path: {{ .service }}
{{- end }}
{{- end -}}

{{/* The account of a service, and the budget that keeps a drain from taking more than one of its pods at a time. */}}
{{- define "hermes.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: hermes-{{ .service }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "hermes.labels" . | nindent 4 }}
  {{- with (get .v .service).serviceAccountAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- with .v.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "hermes.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: hermes-{{ .service }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "hermes.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  # A pod that is not ready serves nobody: it does not hold up a drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      app.kubernetes.io/name: hermes-{{ .service }}
{{- end -}}
