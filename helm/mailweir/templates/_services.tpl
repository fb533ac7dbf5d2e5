{{/* Two maps as one, JSON: what `over` has goes before `base`, at every depth; 0, false and "" are values. */}}
{{- define "mailweir.merged" -}}
{{- $out := deepCopy .base -}}
{{- range $key, $value := .over -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $out $key)) -}}
{{- $_ := set $out $key (include "mailweir.merged" (dict "base" (get $out $key) "over" $value) | fromJson) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $out $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{/* The services that are enabled, each over the defaults: JSON, by name. */}}
{{- define "mailweir.services" -}}
{{- $services := dict -}}
{{- range $name, $own := .Values.services -}}
{{- $service := include "mailweir.merged" (dict "base" $.Values.serviceDefaults "over" ($own | default dict)) | fromJson -}}
{{- if $service.enabled -}}
{{- $_ := set $services $name $service -}}
{{- end -}}
{{- end -}}
{{- toJson $services -}}
{{- end -}}

{{/* Names of the enabled services that talk to `name`: JSON {"names": […]}. Takes services, name. */}}
{{- define "mailweir.callers" -}}
{{- $names := list -}}
{{- range $caller, $service := .services -}}
{{- if has $.name $service.talksTo -}}
{{- $names = append $names $caller -}}
{{- end -}}
{{- end -}}
{{- dict "names" $names | toJson -}}
{{- end -}}

{{/* The kind of a service's workload. Takes root, name. */}}
{{- define "mailweir.kind" -}}
{{- ternary "DaemonSet" "Deployment" (and (eq .name "ingress") (eq .root.Values.smtp.exposure "hostPort")) -}}
{{- end -}}

{{/* How a service is scaled: `none`, `hpa` or `keda`; a DaemonSet is not. Takes root, name, service. */}}
{{- define "mailweir.scaling" -}}
{{- ternary "none" .service.autoscaling.mode (eq (include "mailweir.kind" .) "DaemonSet") -}}
{{- end -}}

{{/* "yes" where a service keeps its database in a file on a volume. Takes root, service. */}}
{{- define "mailweir.hasVolume" -}}
{{- if and .service.database (not .root.Values.sql.existingSecret) }}yes{{ end -}}
{{- end -}}

{{/* Copies of each stream and bucket. */}}
{{- define "mailweir.streamReplicas" -}}
{{- ternary .Values.nats.replicas .Values.nats.streamReplicas .Values.nats.enabled | int -}}
{{- end -}}

{{/* Where NATS shows its monitoring, `host:port`. */}}
{{- define "mailweir.natsMonitoring" -}}
{{- if .Values.nats.enabled -}}
{{- include "mailweir.host" (dict "root" . "name" "nats") }}:8222
{{- else -}}
{{- .Values.nats.monitoringEndpoint -}}
{{- end -}}
{{- end -}}
