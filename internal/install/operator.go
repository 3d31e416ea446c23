package install

import (
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

const (
	// servingCertificate is the certificate of the webhooks, with cert-manager.
	servingCertificate = "opentelemetry-operator-serving-cert"
	selfSignedIssuer   = "opentelemetry-operator-selfsigned-issuer"
	// certificateDir is where the operator looks for it.
	certificateDir = "/tmp/k8s-webhook-server/serving-certs"
)

// operatorParts are the operator's workload and how it is reached.
func operatorParts(image string) []part {
	operator := is("operator.enabled")
	withCertManager := both(operator, is("operator.certManager"))
	return []part{
		{"certificates", withCertManager, tree{
			"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": meta(selfSignedIssuer, operatorLabels()),
			"spec": tree{"selfSigned": tree{}},
		}},
		{"certificates", withCertManager, tree{
			"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": meta(servingCertificate, operatorLabels()),
			"spec": tree{
				"dnsNames": list{
					format(needs.WebhookService+".%s.svc", namespace),
					format(needs.WebhookService+".%s.svc.cluster.local", namespace),
				},
				"issuerRef":  tree{"kind": "Issuer", "name": selfSignedIssuer},
				"secretName": needs.CertificateSecret,
				"subject":    tree{"organizationalUnits": list{"opentelemetry-operator"}},
			},
		}},
		{"operator", operator, service(needs.WebhookService, operatorLabels(), operatorSelector(),
			tree{"name": "webhook", "port": int64(443), "protocol": "TCP", "targetPort": "webhook"})},
		{"operator", operator, service(needs.MetricsService, operatorLabels(), operatorSelector(),
			tree{"name": "https", "port": int64(needs.MetricsPort), "protocol": "TCP", "targetPort": "metrics"})},
		{"operator", operator, service(needs.WorkloadsService, operatorLabels(), operatorSelector(),
			tree{"name": "http", "port": int64(needs.WorkloadsPort), "protocol": "TCP", "targetPort": "workloads"})},
		{"operator", both(operator, above("operator.replicas", 1)), tree{
			"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta(needs.Deployment, operatorLabels()),
			"spec": tree{"maxUnavailable": int64(1), "selector": tree{"matchLabels": operatorSelector()}},
		}},
		{"operator", both(operator, is("operator.networkPolicy")),
			networkPolicy("opentelemetry-operator", operatorLabels(), operatorSelector(), "webhook", "metrics", "health", "workloads")},
		{"operator", operator, tree{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(needs.Deployment, operatorLabels()),
			"spec": tree{
				"replicas": num("operator.replicas"),
				"selector": tree{"matchLabels": operatorSelector()},
				"template": tree{
					"metadata": tree{"labels": operatorLabels(), "annotations": tree{"kubectl.kubernetes.io/default-container": needs.Container}},
					"spec":     operatorPod(image),
				},
			},
		}},
	}
}

// operatorPod is the pod of the operator.
func operatorPod(image string) tree {
	// Ports below 1024 are for root, unless the pod's network says otherwise.
	security := podSecurity()
	security["sysctls"] = when{
		cond:      above("operator.webhookPort", unprivileged-1),
		otherwise: list{tree{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}},
	}
	certificate := is("operator.certManager")
	return tree{
		"serviceAccountName":            needs.Deployment,
		"securityContext":               security,
		"terminationGracePeriodSeconds": int64(10),
		"hostNetwork":                   when{cond: is("operator.hostNetwork"), then: true},
		"priorityClassName":             when{cond: is("operator.priorityClassName"), then: str("operator.priorityClassName")},
		"nodeSelector":                  when{cond: is("operator.nodeSelector"), then: sub("operator.nodeSelector")},
		"tolerations":                   when{cond: is("operator.tolerations"), then: sub("operator.tolerations")},
		"affinity": when{
			cond:      is("operator.affinity"),
			then:      sub("operator.affinity"),
			otherwise: when{cond: above("operator.replicas", 1), then: apart(operatorSelector())},
		},
		"containers": list{operatorContainer(image)},
		"volumes": when{cond: certificate, then: list{tree{
			"name": "cert", "secret": tree{"secretName": needs.CertificateSecret, "defaultMode": int64(0o440)},
		}}},
	}
}

func operatorContainer(image string) tree {
	return tree{
		"name":            needs.Container,
		"image":           or(str("image"), constant(image)),
		"imagePullPolicy": str("imagePullPolicy"),
		"args": list{
			"operator",
			"--enable-leader-election=true",
			format("--webhook-port=%d", num("operator.webhookPort")),
			when{cond: is("operator.collectorImage"), then: format("--collector-image=%s", str("operator.collectorImage"))},
			when{cond: is("operator.targetAllocatorImage"), then: format("--target-allocator-image=%s", str("operator.targetAllocatorImage"))},
			format("--auto-instrumentation-delivery=%s", str("operator.instrumentationDelivery")),
			when{cond: is("operator.watchNamespaces"), then: joined("--watch-namespace=", "operator.watchNamespaces")},
			each{sub("operator.args")},
		},
		"env": list{
			tree{"name": "SIGNALBOX_IMAGE", "value": or(str("image"), constant(image))},
			tree{"name": "SERVICE_ACCOUNT_NAME", "valueFrom": tree{"fieldRef": tree{"fieldPath": "spec.serviceAccountName"}}},
			tree{"name": "NAMESPACE", "valueFrom": tree{"fieldRef": tree{"fieldPath": "metadata.namespace"}}},
			tree{"name": "POD_NAME", "valueFrom": tree{"fieldRef": tree{"fieldPath": "metadata.name"}}},
			each{sub("operator.env")},
		},
		"ports": list{
			tree{"name": "webhook", "containerPort": num("operator.webhookPort"), "protocol": "TCP"},
			tree{"name": "metrics", "containerPort": int64(needs.MetricsPort), "protocol": "TCP"},
			tree{"name": "health", "containerPort": int64(needs.HealthPort), "protocol": "TCP"},
			tree{"name": "workloads", "containerPort": int64(needs.WorkloadsPort), "protocol": "TCP"},
		},
		"livenessProbe":   probe("/healthz", "health", 20, 3),
		"readinessProbe":  probe("/readyz", "health", 5, 3),
		"resources":       sub("operator.resources"),
		"securityContext": containerSecurity(),
		"volumeMounts": when{cond: is("operator.certManager"), then: list{tree{
			"name": "cert", "mountPath": certificateDir, "readOnly": true,
		}}},
	}
}

// podSecurity is what Pod Security's level restricted asks of a pod, and
// containerSecurity of a container, and more.
func podSecurity() tree {
	return tree{"runAsNonRoot": true, "seccompProfile": tree{"type": "RuntimeDefault"}}
}

func containerSecurity() tree {
	return tree{
		"allowPrivilegeEscalation": false,
		"readOnlyRootFilesystem":   true,
		"capabilities":             tree{"drop": list{"ALL"}},
	}
}

// probe asks for a path.
func probe(path, port string, period, failures int64) tree {
	return tree{
		"httpGet":          tree{"path": path, "port": port},
		"periodSeconds":    period,
		"failureThreshold": failures,
		"timeoutSeconds":   int64(3),
	}
}

// apart prefers other nodes than those of pods of the same kind.
func apart(selector tree) tree {
	return tree{"podAntiAffinity": tree{"preferredDuringSchedulingIgnoredDuringExecution": list{tree{
		"weight": int64(100),
		"podAffinityTerm": tree{
			"topologyKey":   "kubernetes.io/hostname",
			"labelSelector": tree{"matchLabels": selector},
		},
	}}}}
}

// service is a Service with the ports.
func service(name string, labels, selector tree, ports ...any) tree {
	return tree{
		"apiVersion": "v1", "kind": "Service", "metadata": meta(name, labels),
		"spec": tree{"selector": selector, "ports": list(ports)},
	}
}

// networkPolicy lets in only what asks for the ports. Which addresses the API
// server calls from, no policy can say.
func networkPolicy(name string, labels, selector tree, ports ...string) tree {
	var open list
	for _, port := range ports {
		open = append(open, tree{"port": port, "protocol": "TCP"})
	}
	return tree{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta(name, labels),
		"spec": tree{
			"podSelector": tree{"matchLabels": selector},
			"policyTypes": list{"Ingress"},
			"ingress":     list{tree{"ports": open}},
		},
	}
}
