package install

import (
	"strconv"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// Ports of the store.
const (
	pagePort     = 4316
	otlpGRPCPort = 4317
	otlpHTTPPort = 4318
)

// operatorToken is the volume with the token that the store shows to the operator.
const operatorToken = "operator-token"

// storeParts are the store and how it is reached. It is a StatefulSet, because one
// volume is for one pod, and because what is removed with it keeps its data.
func storeParts(image string) []part {
	store := is("store.enabled")
	page := service(StoreName, storeLabels(), storeSelector(), tree{
		"name": "http", "port": int64(pagePort), "protocol": "TCP", "targetPort": "http",
		"nodePort": when{cond: is("store.service.nodePort"), then: num("store.service.nodePort")},
	})
	page["spec"].(tree)["type"] = str("store.service.type")
	page["metadata"].(tree)["annotations"] = when{cond: is("store.service.annotations"), then: sub("store.service.annotations")}
	return []part{
		{"store", store, tree{
			"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(StoreName, storeLabels()),
			"automountServiceAccountToken": false,
			"imagePullSecrets":             when{cond: is("imagePullSecrets"), then: sub("imagePullSecrets")},
		}},
		{"store", store, page},
		{"store", store, service(OTLPService, storeLabels(), storeSelector(),
			tree{"name": "otlp-grpc", "port": int64(otlpGRPCPort), "protocol": "TCP", "targetPort": "otlp-grpc", "appProtocol": "grpc"},
			tree{"name": "otlp-http", "port": int64(otlpHTTPPort), "protocol": "TCP", "targetPort": "otlp-http"})},
		{"store", both(store, is("store.networkPolicy")),
			networkPolicy(StoreName, storeLabels(), storeSelector(), "http", "otlp-grpc", "otlp-http")},
		{"store", store, tree{
			"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta(StoreName, storeLabels()),
			"spec": tree{
				"replicas":    int64(1),
				"serviceName": OTLPService,
				// A pod that never became ready does not keep a new form from starting.
				"podManagementPolicy": "Parallel",
				"selector":            tree{"matchLabels": storeSelector()},
				"template":            tree{"metadata": tree{"labels": storeLabels()}, "spec": storePod(image)},
				// With what the API server fills in: kubectl apply compares this list as
				// a whole, and would call an unchanged one changed.
				"volumeClaimTemplates": when{cond: is("store.persistent"), then: list{tree{
					"apiVersion": "v1", "kind": "PersistentVolumeClaim",
					"metadata": tree{"name": StoreVolume, "labels": storeLabels()},
					"spec": tree{
						"accessModes":      list{"ReadWriteOnce"},
						"storageClassName": when{cond: is("store.storageClass"), then: str("store.storageClass")},
						"resources":        tree{"requests": tree{"storage": str("store.size")}},
						"volumeMode":       "Filesystem",
					},
					"status": tree{"phase": "Pending"},
				}}},
			},
		}},
	}
}

// storePod is the pod of the store.
func storePod(image string) tree {
	security := podSecurity()
	security["fsGroup"] = int64(65532) // the user of the image may write to the volume
	security["fsGroupChangePolicy"] = "OnRootMismatch"
	return tree{
		"serviceAccountName":            StoreName,
		"automountServiceAccountToken":  false,
		"securityContext":               security,
		"terminationGracePeriodSeconds": int64(60),
		"priorityClassName":             when{cond: is("store.priorityClassName"), then: str("store.priorityClassName")},
		"nodeSelector":                  when{cond: is("store.nodeSelector"), then: sub("store.nodeSelector")},
		"tolerations":                   when{cond: is("store.tolerations"), then: sub("store.tolerations")},
		"affinity":                      when{cond: is("store.affinity"), then: sub("store.affinity")},
		"containers":                    list{storeContainer(image)},
		"volumes":                       storeVolumes(),
	}
}

// storeVolumes are none at all where the data is on a claim and there is no
// operator to ask.
func storeVolumes() when {
	data := tree{"name": StoreVolume, "emptyDir": tree{}}
	// A token of the pod's account that only the operator takes.
	token := tree{"name": operatorToken, "projected": tree{
		"defaultMode": int64(0o444), "sources": list{tree{"serviceAccountToken": tree{
			"audience": needs.WorkloadsAudience, "expirationSeconds": int64(3600), "path": "token",
		}}},
	}}
	return when{
		cond:      is("operator.enabled"),
		then:      list{when{cond: is("store.persistent"), otherwise: data}, token},
		otherwise: when{cond: is("store.persistent"), otherwise: list{data}},
	}
}

func storeContainer(image string) tree {
	// Reading back what a crash left in the log takes a while, when it is much.
	starting := probe("/healthz", "http", 2, 300)
	return tree{
		"name":            "signalbox",
		"image":           or(str("image"), constant(image)),
		"imagePullPolicy": str("imagePullPolicy"),
		"args": list{
			"up",
			"--listen=0.0.0.0",
			"--data-dir=/data",
			format("--retention=%s", str("store.retention")),
			when{
				cond:      is("store.retentionSize"),
				then:      format("--retention-size=%s", str("store.retentionSize")),
				otherwise: when{cond: is("store.persistent"), then: "--retention-size=80%"},
			},
			"--without=jaeger,zipkin",
			when{cond: is("operator.enabled"), then: "--operator=http://" + needs.WorkloadsService + ":" + strconv.Itoa(needs.WorkloadsPort)},
			when{cond: is("operator.enabled"), then: "--operator-token=" + needs.WorkloadsTokenDir + "/token"},
			each{sub("store.args")},
		},
		"ports": list{
			tree{"name": "http", "containerPort": int64(pagePort), "protocol": "TCP"},
			tree{"name": "otlp-grpc", "containerPort": int64(otlpGRPCPort), "protocol": "TCP"},
			tree{"name": "otlp-http", "containerPort": int64(otlpHTTPPort), "protocol": "TCP"},
		},
		"startupProbe":    starting,
		"livenessProbe":   probe("/healthz", "http", 20, 6),
		"readinessProbe":  probe("/healthz", "http", 5, 2),
		"resources":       sub("store.resources"),
		"securityContext": containerSecurity(),
		"volumeMounts": list{
			tree{"name": StoreVolume, "mountPath": "/data"},
			when{cond: is("operator.enabled"), then: tree{"name": operatorToken, "mountPath": needs.WorkloadsTokenDir, "readOnly": true}},
		},
	}
}
