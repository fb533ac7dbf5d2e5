{{/* Restricted pod security, for every pod. */}}
{{- define "mailweir.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "mailweir.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What is requested, and the memory as limit too: there is no CPU limit, so a burst is not throttled. */}}
{{- define "mailweir.resources" -}}
requests:
  cpu: {{ .requests.cpu }}
  memory: {{ .requests.memory }}
limits:
  memory: {{ .requests.memory }}
{{- end -}}

{{/* Pods over zones and nodes, each rollout counted by itself. Takes root, name, hash (the label of a rollout). */}}
{{- define "mailweir.spread" -}}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "mailweir.selector" (dict "root" $.root "name" $.name) | nindent 8 }}
    matchLabelKeys: [{{ $.hash }}]
  {{- end }}
{{- end -}}

{{/* Where pods may run. Takes a service, or `nats`. */}}
{{- define "mailweir.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A Secret as a volume, readable by us. Takes volume, secret and, if not all, keys. */}}
{{- define "mailweir.secretVolume" -}}
- name: {{ .volume }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    {{- with .keys }}
    items:
      {{- range . }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
    {{- end }}
{{ end -}}

{{/* The files of a service: JSON {mount path: volume}. Takes root, name, service. */}}
{{- define "mailweir.mounts" -}}
{{- $values := .root.Values -}}
{{- $mounts := dict "/tmp" "tmp" -}}
{{- if or $values.nats.enabled $values.nats.existingSecret -}}
{{- $_ := set $mounts "/etc/mailweir/nats" "nats" -}}
{{- end -}}
{{- if $values.nats.credentialsSecret -}}
{{- $_ := set $mounts "/etc/mailweir/nats-credentials" "nats-credentials" -}}
{{- end -}}
{{- if include "mailweir.hasVolume" . -}}
{{- $_ := set $mounts "/data" "data" -}}
{{- else if .service.database -}}
{{- $_ := set $mounts "/etc/mailweir/sql" "sql" -}}
{{- end -}}
{{- if and $values.dns.listKeysSecret (has .name (list "reputation" "scoring")) -}}
{{- $_ := set $mounts "/etc/mailweir/list-keys" "list-keys" -}}
{{- end -}}
{{- if and (eq .name "ingress") $values.smtp.tls.secretName -}}
{{- $_ := set $mounts "/etc/mailweir/tls" "tls" -}}
{{- end -}}
{{- if and (eq .name "ingress") $values.smtp.signingKeys -}}
{{- $_ := set $mounts "/etc/mailweir/dkim" "dkim" -}}
{{- end -}}
{{- if eq .name "gateway" -}}
{{- $_ := set $mounts "/etc/mailweir/admin-key" "admin-key" -}}
{{- $_ := set $mounts "/etc/mailweir/policy" "policy" -}}
{{- end -}}
{{- toJson $mounts -}}
{{- end -}}

{{/* The volumes of these mounts. Secrets are mounted whole, without subPath, so that renewed ones arrive. */}}
{{- define "mailweir.volumes" -}}
{{- $values := .root.Values -}}
{{- $secrets := dict
      "nats" (dict "secret" (include "mailweir.natsSecret" .root) "keys" (list "url"))
      "nats-credentials" (dict "secret" $values.nats.credentialsSecret "keys" (list "nats.creds"))
      "sql" (dict "secret" $values.sql.existingSecret "keys" (list .name))
      "list-keys" (dict "secret" $values.dns.listKeysSecret)
      "tls" (dict "secret" $values.smtp.tls.secretName)
      "admin-key" (dict "secret" (include "mailweir.adminKeySecret" .root) "keys" (list "admin.key")) -}}
{{- range $volume := values (include "mailweir.mounts" . | fromJson) | sortAlpha }}
{{- if hasKey $secrets $volume }}
{{- $source := get $secrets $volume }}
{{- include "mailweir.secretVolume" (dict "volume" $volume "secret" $source.secret "keys" $source.keys) }}
{{- else }}
- name: {{ $volume }}
  {{- if eq $volume "tmp" }}
  emptyDir:
    sizeLimit: {{ $.service.tmpSize }}
  {{- else if eq $volume "data" }}
  persistentVolumeClaim:
    claimName: {{ include "mailweir.fullname" $.root }}-{{ $.name }}
  {{- else if eq $volume "policy" }}
  configMap:
    name: {{ include "mailweir.fullname" $.root }}-first-policy
  {{- else if eq $volume "dkim" }}
  projected:
    defaultMode: 0440
    sources:
      {{- range $values.smtp.signingKeys }}
      - secret:
          name: {{ .secretName }}
          items:
            - key: {{ .key }}
              path: {{ .domain }}/{{ .selector }}.pem
      {{- end }}
  {{- end }}
{{ end }}
{{- end }}
{{- with .service.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The ports of a container: named, since Services and policies know them by name. Takes root, name. */}}
{{- define "mailweir.ports" -}}
- {name: grpc, containerPort: 9000}
- {name: http-metrics, containerPort: 9100}
{{- if eq .name "gateway" }}
- {name: http, containerPort: 8080}
{{- end }}
{{- if eq .name "ingress" }}
{{- $onHost := eq .root.Values.smtp.exposure "hostPort" }}
- {name: smtp, containerPort: 2525{{ if $onHost }}, hostPort: 25{{ end }}}
{{- if .root.Values.smtp.submission.enabled }}
- {name: submission, containerPort: 2587{{ if $onHost }}, hostPort: 587{{ end }}}
- {name: submissions, containerPort: 2465{{ if $onHost }}, hostPort: 465{{ end }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The annotations of a service's pods. Takes root, name, service. */}}
{{- define "mailweir.podAnnotations" -}}
{{- if eq .name "gateway" }}
# read at a start alone; the live policy comes over the bus and restarts nobody
checksum/config: {{ include "mailweir.firstPolicy" .root | sha256sum }}
{{- end }}
{{- if eq .root.Values.monitoring.mode "annotations" }}
prometheus.io/scrape: "true"
prometheus.io/port: "9100"
prometheus.io/path: /metrics
{{- end }}
{{- with .service.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A service's pod template. Takes root, name, service, services. */}}
{{- define "mailweir.pod" -}}
metadata:
  labels:
    {{- include "mailweir.podLabels" . | nindent 4 }}
  {{- with include "mailweir.podAnnotations" . | trim }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "mailweir.fullname" .root }}-{{ .name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- include "mailweir.pullSecrets" .root | nindent 2 }}
  {{- include "mailweir.placement" .service | nindent 2 }}
  securityContext:
    {{- include "mailweir.podSecurity" . | nindent 4 }}
  terminationGracePeriodSeconds: {{ add (int .service.preStopSeconds) (int .service.drainSeconds) 10 }}
  {{- if eq (include "mailweir.kind" .) "Deployment" }}
  {{- include "mailweir.spread" (dict "root" .root "name" .name "hash" "pod-template-hash") | nindent 2 }}
  {{- end }}
  {{- with .service.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "mailweir.image" . | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      securityContext:
        {{- include "mailweir.containerSecurity" . | nindent 8 }}
      env:
        {{- include "mailweir.settings" . | trim | nindent 8 }}
      ports:
        {{- include "mailweir.ports" . | nindent 8 }}
      resources:
        {{- include "mailweir.resources" .service.resources | nindent 8 }}
      startupProbe:
        grpc: {port: 9000, service: readiness}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: {{ div (int .service.startSeconds) 2 }}
      readinessProbe:
        grpc: {port: 9000, service: readiness}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      livenessProbe:
        httpGet: {path: /livez, port: http-metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      {{- if gt (int .service.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ int .service.preStopSeconds }}
      {{- end }}
      volumeMounts:
        {{- range $path, $volume := include "mailweir.mounts" . | fromJson }}
        - name: {{ $volume }}
          mountPath: {{ $path }}
          {{- if hasPrefix "/etc/" $path }}
          readOnly: true
          {{- end }}
        {{- end }}
        {{- with .service.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "mailweir.volumes" . | trim | nindent 4 }}
{{- end -}}
