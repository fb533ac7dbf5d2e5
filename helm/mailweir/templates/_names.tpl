{{/* The beginning of every name: short enough that name, suffix and a StatefulSet's revision stay under 63. */}}
{{- define "mailweir.fullname" -}}
{{- $release := .Release.Name -}}
{{- if gt (len $release) 36 -}}
{{- $release = printf "%s-%s" (trunc 29 $release | trimSuffix "-") (sha256sum $release | trunc 6) -}}
{{- end -}}
{{- .Values.fullnameOverride | default (printf "%s-mailweir" $release) -}}
{{- end -}}

{{/* The whole name of a Service in this namespace, as gRPC needs it. Takes root, name. */}}
{{- define "mailweir.host" -}}
{{- printf "%s-%s.%s.svc.%s" (include "mailweir.fullname" .root) .name .root.Release.Namespace .root.Values.clusterDomain -}}
{{- end -}}

{{- define "mailweir.adminKeySecret" -}}
{{- .Values.api.adminKey.existingSecret | default (printf "%s-admin-key" (include "mailweir.fullname" .)) -}}
{{- end -}}

{{- define "mailweir.natsSecret" -}}
{{- .Values.nats.existingSecret | default (printf "%s-nats" (include "mailweir.fullname" .)) -}}
{{- end -}}
