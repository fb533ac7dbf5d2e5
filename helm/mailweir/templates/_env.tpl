{{/* One variable of a service. Takes name, key, value. */}}
{{- define "mailweir.variable" -}}
- name: MAILWEIR_{{ upper .name }}_{{ .key }}
  value: {{ .value | toString | quote }}
{{ end -}}

{{/* A service's settings: what all have, what follows from `talksTo`, its own. Takes root, name, service, services. */}}
{{- define "mailweir.settings" -}}
{{- $values := .root.Values -}}
{{- $settings := dict
      "LOG_FORMAT" "json"
      "LOG_LEVEL" .service.logLevel
      "METRICS_LISTEN" "0.0.0.0:9100"
      .service.grpcSetting "0.0.0.0:9000"
      "DRAIN_SECONDS" (int .service.drainSeconds)
      "CONNECT_SECONDS" (div (mul (int .service.startSeconds) 2) 3)
      "STREAM_REPLICAS" (include "mailweir.streamReplicas" .root) -}}
{{- if and (not $values.nats.enabled) $values.nats.url -}}
{{- $_ := set $settings "NATS_URL" $values.nats.url -}}
{{- else -}}
{{- $_ := set $settings "NATS_URL_FILE" "/etc/mailweir/nats/url" -}}
{{- end -}}
{{- if $values.nats.credentialsSecret -}}
{{- $_ := set $settings "NATS_CREDENTIALS_FILE" "/etc/mailweir/nats-credentials/nats.creds" -}}
{{- end -}}
{{- range $peer := .service.talksTo -}}
{{- if hasKey $values.services $peer -}}
{{- $target := printf "dns:///%s:9000" (include "mailweir.host" (dict "root" $.root "name" $peer)) -}}
{{- $_ := set $settings (printf "%s_TARGET" (upper $peer)) (hasKey $.services $peer | ternary $target "") -}}
{{- else if and (eq $peer "resolvers") $values.dns.servers -}}
{{- $_ := set $settings "DNS" (join "," $values.dns.servers) -}}
{{- else if eq $peer "clamd" -}}
{{- $_ := set $settings "CLAMD" $values.antivirus.clamd -}}
{{- end -}}
{{- end -}}
{{- if .service.database -}}
{{- if $values.sql.existingSecret -}}
{{- $_ := set $settings "DATABASE_URL_FILE" (printf "/etc/mailweir/sql/%s" .name) -}}
{{- else -}}
{{- $_ := set $settings "DATABASE_URL" (printf "sqlite+aiosqlite:////data/%s.db" .name) -}}
{{- end -}}
{{- end -}}
{{- if and $values.dns.listKeysSecret (has .name (list "reputation" "scoring")) -}}
{{- $_ := set $settings "LIST_KEYS_DIR" "/etc/mailweir/list-keys" -}}
{{- end -}}
{{- $own := dict "ingress" "mailweir.ingressSettings" "gateway" "mailweir.gatewaySettings" -}}
{{- if hasKey $own .name -}}
{{- range $key, $value := include (get $own .name) . | fromJson -}}
{{- $_ := set $settings $key $value -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := $settings }}
{{- include "mailweir.variable" (dict "name" $.name "key" $key "value" $value) }}
{{- end }}
{{- range $key, $value := .service.env }}
- name: {{ $key }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "mailweir.ingressSettings" -}}
{{- $smtp := .root.Values.smtp -}}
{{- $settings := dict "MX_LISTEN" "0.0.0.0:2525" -}}
{{- if $smtp.submission.enabled -}}
{{- $_ := set $settings "SUBMISSION_LISTEN" "0.0.0.0:2587" -}}
{{- $_ := set $settings "SUBMISSIONS_LISTEN" "0.0.0.0:2465" -}}
{{- end -}}
{{- if $smtp.tls.secretName -}}
{{- $_ := set $settings "TLS_CERT_FILE" "/etc/mailweir/tls/tls.crt" -}}
{{- $_ := set $settings "TLS_KEY_FILE" "/etc/mailweir/tls/tls.key" -}}
{{- end -}}
{{- if $smtp.signingKeys -}}
{{- $_ := set $settings "SIGNING_KEYS_DIR" "/etc/mailweir/dkim" -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{- define "mailweir.gatewaySettings" -}}
{{- $nats := .root.Values.nats -}}
{{- $each := include "mailweir.bytes" (dict "size" $nats.persistence.size "tenths" 9) | int64 -}}
{{- $limit := ternary (mul $each (int $nats.replicas)) 0 $nats.enabled -}}
{{- dict
      "STORE_LIMIT_BYTES" ($limit | toString)
      "LISTEN" "0.0.0.0:8080"
      "KEY_FILE" "/etc/mailweir/admin-key/admin.key"
      "INITIAL_POLICY_FILE" "/etc/mailweir/policy/policy.json"
      "SERVICES" (keys .services | sortAlpha | join ",") | toJson -}}
{{- end -}}

{{/* The first policy: `policy`, and what `nextHop` and `smtp.proxyProtocol` say. JSON. */}}
{{- define "mailweir.firstPolicy" -}}
{{- $policy := dict -}}
{{- with .Values.nextHop -}}
{{- $_ := set $policy "delivery" (dict "routes" (list (dict "domain" "*" "next_hops" (list .)))) -}}
{{- end -}}
{{- if .Values.smtp.proxyProtocol.enabled -}}
{{- $_ := set $policy "relay" (dict "proxy_networks" .Values.smtp.proxyProtocol.sources) -}}
{{- end -}}
{{- include "mailweir.merged" (dict "base" $policy "over" .Values.policy) -}}
{{- end -}}
