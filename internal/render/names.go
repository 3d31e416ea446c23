package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// nameLimit is the longest name of a Service, and the longest value of a label.
const nameLimit = 63

// name is a valid name of an object, at most nameLimit long. What is too long is
// taken off the first of the arguments, then off the next.
func name(format string, args ...string) string {
	return dnsName(truncated(format, args...))
}

func truncated(format string, args ...string) string {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a
	}
	text := fmt.Sprintf(format, values...)
	for i, a := range args {
		excess := len(text) - nameLimit
		if excess <= 0 {
			return strings.TrimFunc(text, func(r rune) bool { return !alphanumeric(r) })
		}
		values[i] = a[:max(0, len(a)-excess)]
		text = fmt.Sprintf(format, values...)
	}
	if len(text) > nameLimit {
		return text[:nameLimit]
	}
	return strings.TrimFunc(text, func(r rune) bool { return !alphanumeric(r) })
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// dnsName replaces what a DNS label must not have.
func dnsName(text string) string {
	runes := []rune(strings.ToLower(text))
	for i, r := range runes {
		if alphanumeric(r) {
			continue
		}
		runes[i] = '-'
		if i == 0 || i == len(runes)-1 {
			runes[i] = 'a'
		}
	}
	return string(runes)
}

// hash is the SHA-256 of a text in hexadecimal digits.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// shortHash is as much of a hash as names have.
func shortHash(hash string) string { return hash[:8] }

// imageVersion is what the label for the version says of an image: its tag, of
// one with a digest alone as much of that as a label holds.
func imageVersion(image string) string {
	ref, digest, pinned := strings.Cut(image, "@")
	_, last := cutLast(ref, "/")
	if _, tag, ok := strings.Cut(last, ":"); ok {
		return labelValue(tag)
	}
	if pinned {
		_, hex, _ := strings.Cut(digest, ":")
		return labelValue(hex)
	}
	return "latest"
}

// cutLast cuts at the last separator; without one all of s comes last.
func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return "", s
}

// labelValue is as much of a text as a label holds.
func labelValue(text string) string {
	if len(text) > nameLimit {
		text = text[:nameLimit]
	}
	return strings.TrimFunc(text, func(r rune) bool { return !alphanumeric(r) })
}

// ServerCertificate is the Secret with the certificate of a target allocator, and
// ClientCertificate that with the one of its collectors.
func ServerCertificate(allocator string) string { return name("%s-ta-server-cert", allocator) }

// ClientCertificate is described at ServerCertificate.
func ClientCertificate(allocator string) string { return name("%s-ta-client-cert", allocator) }

// CertificateNote is the ConfigMap in which the operator notes what it has put
// into these Secrets, which it cannot read.
func CertificateNote(allocator string) string { return name("%s-ta-certs", allocator) }
