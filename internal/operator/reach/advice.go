package reach

import (
	"fmt"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// isRefusal reports whether a webhook of the operator has said no.
func isRefusal(err error) bool {
	for _, w := range needs.Webhooks() {
		if strings.Contains(err.Error(), fmt.Sprintf("admission webhook %q denied the request", w.Name)) {
			return true
		}
	}
	return false
}

// isCall reports whether an error of the API server is about calling a webhook.
func isCall(err error) bool {
	text := err.Error()
	return strings.Contains(text, "failed calling webhook") || strings.Contains(text, "conversion webhook for")
}

// advise adds to what the API server says what to do about it.
func advise(text string, port int) string {
	for _, a := range []struct {
		says   []string
		advice string
	}{
		{[]string{"x509", "certificate", "tls:"}, "its caBundle is not the operator's: see the operator's logs about certificates"},
		{[]string{"no endpoints available", "no service", "service \""}, "the webhook Service has no ready pod, or does not exist: see that the operator's pods are ready"},
		{[]string{"connection refused"}, fmt.Sprintf("nothing listens where the webhook Service leads: its targetPort must be %d", port)},
		{[]string{"deadline exceeded", "timeout", "no route to host", "Client.Timeout"},
			fmt.Sprintf("something drops the connection: open TCP port %d from the control plane to the nodes, or use a port that is open there (--webhook-port 443 or 10250, and the Service's targetPort)", port)},
	} {
		for _, s := range a.says {
			if strings.Contains(text, s) {
				return text + "; " + a.advice
			}
		}
	}
	return text
}
