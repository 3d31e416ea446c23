package v1beta1

import "strings"

// ConversionPrefix begins the annotations that conversion between versions
// writes. They are about the text of a resource and go into no object that is
// made from it.
const ConversionPrefix = "conversion." + Group + "/"

// The annotations of conversion.
const (
	// RemainderAnnotation holds, in one version, what only the other can.
	RemainderAnnotation = ConversionPrefix + "remainder"
	// ConfigErrorAnnotation says why the configuration of a v1alpha1 resource is
	// not in this v1beta1 one; see OpenTelemetryCollector.ConfigError.
	ConfigErrorAnnotation = ConversionPrefix + "config-error"
	// LostAnnotation names the fields that RemainderAnnotation had no room for.
	LostAnnotation = ConversionPrefix + "lost"
)

// ConfigError says why the configuration that was given in v1alpha1 could not be
// read, or nothing where it could, or was given in v1beta1 since. Such a
// resource has an empty configuration, and its text in RemainderAnnotation.
func (c *OpenTelemetryCollector) ConfigError() string {
	if !c.Spec.Config.Empty() {
		return ""
	}
	return c.Annotations[ConfigErrorAnnotation]
}

// IsConversion reports whether an annotation is written by conversion.
func IsConversion(annotation string) bool { return strings.HasPrefix(annotation, ConversionPrefix) }
