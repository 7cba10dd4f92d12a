{{/* What network policies are made of. */}}
{{- define "hermes.anywhere" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    # Not the metadata service of clouds.
    except: [169.254.0.0/16]
- ipBlock:
    cidr: ::/0
    except: ["fe80::/10", "fd00:ec2::254/128"]
{{- end -}}

{{- define "hermes.ports" -}}
{{- range . }}
- port: {{ . }}
  protocol: TCP
{{- end }}
{{- end -}}

{{- define "hermes.prometheus" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: monitoring
  podSelector:
    matchLabels:
      app.kubernetes.io/name: prometheus
{{- end -}}

{{/* Pods with this name. */}}
{{- define "hermes.pods" -}}
podSelector:
  matchLabels:
    app.kubernetes.io/name: {{ . }}
{{- end -}}

{{/* Takes `v`. */}}
{{- define "hermes.dns" -}}
{{- $port := ternary 5353 53 .v.openshift -}}
- to:
    {{- if .v.openshift }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: openshift-dns
      podSelector:
        matchLabels:
          dns.operator.openshift.io/daemonset-dns: default
    {{- else }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
    {{- end }}
  ports:
    - port: {{ $port }}
      protocol: UDP
    - port: {{ $port }}
      protocol: TCP
{{- end -}}

{{/* The head of a policy. Takes `root` and `name`. */}}
{{- define "hermes.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "hermes.labels" . | nindent 4 }}
{{- end -}}
