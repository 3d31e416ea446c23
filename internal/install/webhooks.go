package install

import (
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// injectCA asks cert-manager to put a certificate's CA into an object.
const injectCA = "cert-manager.io/inject-ca-from"

// certificatePath is the certificate of the webhooks for cert-manager.
var certificatePath = format("%s/"+servingCertificate, namespace)

// webhooks are the two webhook configurations. They have no CA: the operator puts
// in that of its certificate, and because nothing is said about it here, it stays
// when they are applied again.
func webhooks() ([]part, error) {
	var mutating, validating list
	for _, w := range needs.Webhooks() {
		operations, err := generic(w.Operations)
		if err != nil {
			return nil, err
		}
		hook := tree{
			"name":                    w.Name,
			"admissionReviewVersions": list{"v1"},
			"clientConfig":            webhookClient(w.Path),
			"failurePolicy":           string(w.Policy),
			"matchPolicy":             "Equivalent",
			"sideEffects":             "None",
			"timeoutSeconds":          int64(10),
			"rules": list{tree{
				"apiGroups": list{w.Group}, "apiVersions": list{w.Version}, "resources": list{w.Resource},
				"operations": operations, "scope": "Namespaced",
			}},
		}
		if w.Path == needs.PodPath {
			// What the cluster and the operator itself need must start while the
			// operator does not run.
			hook["namespaceSelector"] = tree{"matchExpressions": list{tree{
				"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list{"kube-system", namespace},
			}}}
		}
		if w.Mutating {
			mutating = append(mutating, hook)
		} else {
			validating = append(validating, hook)
		}
	}
	return []part{
		{"webhooks", is("operator.enabled"), configuration("Mutating", needs.MutatingWebhooks, mutating)},
		{"webhooks", is("operator.enabled"), configuration("Validating", needs.ValidatingWebhooks, validating)},
	}, nil
}

func configuration(kind, name string, hooks list) tree {
	metadata := clusterMeta(name)
	metadata["annotations"] = when{cond: is("operator.certManager"), then: tree{injectCA: certificatePath}}
	return tree{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind + "WebhookConfiguration",
		"metadata": metadata, "webhooks": hooks,
	}
}

// webhookClient is how the API server reaches a path of the operator.
func webhookClient(path string) tree {
	return tree{"service": tree{
		"name": needs.WebhookService, "namespace": namespace,
		"path": path, "port": int64(443),
	}}
}
