package install

import (
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// collectorKey is the key of the collector in it.
const collectorKey = "collector.yaml"

// defaultsPart is the ConfigMap with the default collector. It is not applied as a
// resource, because the API server takes it only when the operator runs.
func defaultsPart() part {
	return part{"operator", is("collector.enabled"), tree{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(needs.DefaultsConfigMap, operatorLabels()),
		"data": tree{collectorKey: encoded{collectorTree()}},
	}}
}

// collectorTree takes OTLP, adds what Kubernetes knows of the sender, and sends to
// the store.
func collectorTree() tree {
	otlp := list{"otlp"}
	pipeline := tree{"receivers": otlp, "processors": list{"memory_limiter", "k8s_attributes"}, "exporters": list{"otlp_grpc"}}
	return tree{
		"apiVersion": v1beta1.GroupVersion.String(), "kind": "OpenTelemetryCollector",
		"metadata": tree{"name": str("collector.name"), "namespace": namespace},
		"spec": tree{
			"mode":               str("collector.mode"),
			"replicas":           when{cond: equal("collector.mode", "daemonset"), otherwise: num("collector.replicas")},
			"resources":          sub("collector.resources"),
			"podSecurityContext": podSecurity(),
			"securityContext":    containerSecurity(),
			"config": tree{
				"receivers": tree{"otlp": tree{"protocols": tree{
					"grpc": tree{"endpoint": "0.0.0.0:4317"},
					"http": tree{"endpoint": "0.0.0.0:4318"},
				}}},
				"processors": tree{
					"memory_limiter": tree{"check_interval": "1s", "limit_percentage": int64(75), "spike_limit_percentage": int64(15)},
					"k8s_attributes": tree{},
				},
				"exporters": tree{"otlp_grpc": tree{
					"endpoint": format(OTLPService+".%s.svc:4317", namespace),
					"tls":      tree{"insecure": true},
				}},
				"service": tree{"pipelines": tree{"traces": pipeline, "metrics": pipeline, "logs": pipeline}},
			},
		},
	}
}
