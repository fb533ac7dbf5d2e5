{{/* Contradictions between values, each refused with a sentence. */}}
{{- define "mailweir.check" -}}
{{- include "mailweir.checkNats" . -}}
{{- include "mailweir.checkSmtp" . -}}
{{- $services := include "mailweir.services" . | fromJson -}}
{{- range $name := list "ingress" "scoring" "delivery" "quarantine" "gateway" -}}
{{- if not (hasKey $services $name) -}}
{{- fail (printf "services.%s.enabled=false: without %s there is no gateway; what can be left out is reputation, greylist and ratelimit" $name $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $service := $services -}}
{{- include "mailweir.checkService" (dict "root" $ "name" $name "service" $service) -}}
{{- end -}}
{{- end -}}

{{- define "mailweir.checkNats" -}}
{{- $nats := .Values.nats -}}
{{- if and $nats.enabled $nats.url -}}
{{- fail "nats.url is for an external NATS: set nats.enabled=false with it, or leave it empty" -}}
{{- end -}}
{{- if and (not $nats.enabled) (not $nats.url) (not $nats.existingSecret) -}}
{{- fail "nats.enabled=false: say where NATS is with nats.url or nats.existingSecret" -}}
{{- end -}}
{{- if and $nats.url $nats.existingSecret -}}
{{- fail "nats.url and nats.existingSecret both say where NATS is: set one" -}}
{{- end -}}
{{- if and $nats.enabled $nats.credentialsSecret -}}
{{- fail "nats.credentialsSecret is for an external NATS: our own takes a token" -}}
{{- end -}}
{{- if $nats.enabled -}}
{{- $name := printf "%s-nats" (include "mailweir.fullname" .) -}}
{{- $found := lookup "apps/v1" "StatefulSet" .Release.Namespace $name -}}
{{- $servers := dig "spec" "replicas" (int $nats.replicas) ($found | default dict) | int -}}
{{- if and (gt $servers 0) (ne $servers (int $nats.replicas)) -}}
{{- fail (printf "nats.replicas=%d: there are %d, and NATS drops what it stores when one becomes a cluster or a cluster one: install a second release and move the mail (docs/operations.md, \"From one NATS server to three\")" (int $nats.replicas) $servers) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "mailweir.checkSmtp" -}}
{{- $smtp := .Values.smtp -}}
{{- if and $smtp.proxyProtocol.sources (not $smtp.proxyProtocol.enabled) -}}
{{- fail "smtp.proxyProtocol.sources has no effect without smtp.proxyProtocol.enabled" -}}
{{- end -}}
{{- if and (eq $smtp.service.externalTrafficPolicy "Cluster") (not $smtp.proxyProtocol.enabled) -}}
{{- fail "smtp.service.externalTrafficPolicy=Cluster hides the clients' addresses, which every check of clients needs: use Local, or a proxy with smtp.proxyProtocol" -}}
{{- end -}}
{{- if and $smtp.submission.enabled (not $smtp.tls.secretName) -}}
{{- fail "smtp.submission.enabled: passwords need TLS, name its Secret in smtp.tls.secretName" -}}
{{- end -}}
{{- if and $smtp.tls.certManager.issuerName (not (and $smtp.tls.secretName $smtp.tls.certManager.dnsNames)) -}}
{{- fail "smtp.tls.certManager.issuerName: say smtp.tls.secretName and smtp.tls.certManager.dnsNames too" -}}
{{- end -}}
{{- end -}}

{{/* Takes root, name, service. */}}
{{- define "mailweir.checkService" -}}
{{- $values := .root.Values -}}
{{- $auto := .service.autoscaling -}}
{{- if and (ne $auto.mode "none") (gt (int $auto.min) (int $auto.max)) -}}
{{- fail (printf "services.%s.autoscaling: min %d is above max %d" .name (int $auto.min) (int $auto.max)) -}}
{{- end -}}
{{- if and (eq $auto.mode "keda") (not (and $auto.keda.stream $auto.keda.consumer)) -}}
{{- fail (printf "services.%s.autoscaling.mode=keda: it has no stream whose lag could count; use hpa" .name) -}}
{{- end -}}
{{- if and (eq $auto.mode "keda") (not (include "mailweir.natsMonitoring" .root)) -}}
{{- fail "autoscaling.mode=keda with an external NATS: say nats.monitoringEndpoint" -}}
{{- end -}}
{{- if and (include "mailweir.hasVolume" .) (or (ne $auto.mode "none") (gt (int .service.replicas) 1)) -}}
{{- fail (printf "services.%s: a SQLite file has one pod; for more, name PostgreSQL databases in sql.existingSecret" .name) -}}
{{- end -}}
{{- range $peer := .service.talksTo -}}
{{- if not (or (eq $peer "nats") (hasKey $values.services $peer) (hasKey $values.networkPolicy.peers $peer)) -}}
{{- fail (printf "services.%s.talksTo: %s is no service, not nats and not in networkPolicy.peers" $.name $peer) -}}
{{- end -}}
{{- end -}}
{{- end -}}
