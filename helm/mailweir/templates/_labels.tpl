{{/* What selectors select by. Never add to it: a Deployment's selector cannot be changed. Takes root, name. */}}
{{- define "mailweir.selector" -}}
app.kubernetes.io/name: mailweir
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* The labels of a pod: nothing that changes with the chart alone, or each upgrade would replace all pods. */}}
{{- define "mailweir.podLabels" -}}
{{ include "mailweir.selector" . }}
app.kubernetes.io/part-of: mailweir
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of an object. Takes root, name (its component). */}}
{{- define "mailweir.labels" -}}
{{ include "mailweir.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The metadata of an object `<release>-mailweir-<suffix>`. Takes root, name and, if it differs, suffix. */}}
{{- define "mailweir.metadata" -}}
name: {{ include "mailweir.fullname" .root }}-{{ .suffix | default .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "mailweir.labels" (dict "root" .root "name" .name) | nindent 2 }}
{{- end -}}
