{{/* The image of a service. Takes root, name, service. */}}
{{- define "mailweir.image" -}}
{{- $image := .root.Values.image -}}
{{- $own := printf "%s/%s:%s" $image.repository .name ($image.tag | default .root.Chart.AppVersion) -}}
{{- .service.image.override | default (empty $image.registry | ternary $own (printf "%s/%s" $image.registry $own)) -}}
{{- end -}}

{{- define "mailweir.natsImage" -}}
{{- $image := .Values.nats.image -}}
{{- $own := printf "%s:%s" $image.repository $image.tag -}}
{{- empty $image.registry | ternary $own (printf "%s/%s" $image.registry $own) -}}
{{- end -}}

{{- define "mailweir.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
