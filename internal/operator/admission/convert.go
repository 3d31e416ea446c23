package admission

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// reviewSize bounds what the API server sends at once: the objects of a list, of
// which a thousand collectors of 100 KB are one.
const reviewSize = 128 << 20

// convert answers a ConversionReview.
func convert(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, reviewSize))
	if err != nil {
		http.Error(w, "reading the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	var review apiextensionsv1.ConversionReview
	if err := json.Unmarshal(body, &review); err != nil || review.Request == nil {
		http.Error(w, "the body is no ConversionReview with a request", http.StatusBadRequest)
		return
	}
	response := &apiextensionsv1.ConversionResponse{
		UID: review.Request.UID, Result: metav1.Status{Status: metav1.StatusSuccess},
		ConvertedObjects: make([]runtime.RawExtension, len(review.Request.Objects)),
	}
	for i, object := range review.Request.Objects {
		response.ConvertedObjects[i].Raw = converted(object.Raw, review.Request.DesiredAPIVersion)
	}
	review.Request, review.Response = nil, response
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(review); err != nil {
		slog.Warn("converted collectors were not sent", "error", err)
	}
}

// converted is an object in another version. Where even that goes wrong it is
// the object under the other version's name with an empty configuration: one
// that does not come back would take all others with it.
func converted(raw []byte, apiVersion string) (out []byte) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("converting a collector panicked", "error", fmt.Sprint(r))
			out = renamed(raw, apiVersion)
		}
	}()
	var object map[string]any
	if err := utiljson.Unmarshal(raw, &object); err != nil {
		return raw
	}
	_, version, _ := strings.Cut(apiVersion, "/")
	out, err := json.Marshal(v1alpha1.Convert(object, version))
	if err != nil {
		return renamed(raw, apiVersion)
	}
	return out
}

// renamed is an object with nothing but its metadata in another version.
func renamed(raw []byte, apiVersion string) []byte {
	var object struct {
		Kind     string          `json:"kind"`
		Metadata json.RawMessage `json:"metadata"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return raw
	}
	spec := map[string]any{"config": v1beta1.Config{}}
	if apiVersion == v1alpha1.GroupVersion.String() {
		spec["config"] = ""
	}
	out, err := json.Marshal(map[string]any{"apiVersion": apiVersion, "kind": object.Kind, "metadata": object.Metadata, "spec": spec})
	if err != nil {
		return raw
	}
	return out
}
