package allocator

import (
	"errors"
	"fmt"
)

// errFiles is why a resource is left out under deny_fs_access_through_sms.
var errFiles = errors.New("it names a file of the collector, which deny_fs_access_through_sms does not allow")

// http converts how a resource says to speak HTTP: proxies, credentials, TLS.
func (g *generator) http(tree node, namespace string, f node) error {
	for key, to := range map[string]string{
		"proxyUrl": "proxy_url", "noProxy": "no_proxy", "proxyFromEnvironment": "proxy_from_environment",
		"followRedirects": "follow_redirects", "enableHttp2": "enable_http2", "enableHTTP2": "enable_http2",
	} {
		if value := f[key]; value != nil && value != "" {
			tree[to] = value
		}
	}
	if headers := child(f, "proxyConnectHeader"); len(headers) > 0 {
		all := node{}
		for name := range headers {
			var values []any
			for _, ref := range list(headers, name) {
				value, err := g.secret(namespace, ref)
				if err != nil {
					return fmt.Errorf("proxyConnectHeader: %w", err)
				}
				values = append(values, value)
			}
			all[name] = values
		}
		tree["proxy_connect_header"] = all
	}
	if err := g.credentials(tree, namespace, f); err != nil {
		return err
	}
	if from := child(f, "tlsConfig"); from != nil {
		tls, err := g.tls(namespace, from)
		if err != nil {
			return fmt.Errorf("tlsConfig: %w", err)
		}
		tree["tls_config"] = tls
	}
	return nil
}

// credentials converts the ways to say who asks.
func (g *generator) credentials(tree node, namespace string, f node) error {
	if basic := child(f, "basicAuth"); basic != nil {
		user, err := g.secret(namespace, child(basic, "username"))
		if err != nil {
			return fmt.Errorf("basicAuth: %w", err)
		}
		password, err := g.secret(namespace, child(basic, "password"))
		if err != nil {
			return fmt.Errorf("basicAuth: %w", err)
		}
		tree["basic_auth"] = node{"username": user, "password": password}
	}
	if a := child(f, "authorization"); a != nil {
		token, err := g.secret(namespace, child(a, "credentials"))
		if err != nil {
			return fmt.Errorf("authorization: %w", err)
		}
		to := node{"credentials": token}
		if file := text(a, "credentialsFile"); file != "" {
			if g.denyFiles {
				return fmt.Errorf("authorization: %w", errFiles)
			}
			to = node{"credentials_file": file}
		}
		if t := text(a, "type"); t != "" {
			to["type"] = t
		}
		tree["authorization"] = to
	}
	if ref := child(f, "bearerTokenSecret"); text(ref, "name") != "" {
		token, err := g.secret(namespace, ref)
		if err != nil {
			return fmt.Errorf("bearerTokenSecret: %w", err)
		}
		tree["authorization"] = node{"credentials": token}
	}
	if file := text(f, "bearerTokenFile"); file != "" {
		if g.denyFiles {
			return fmt.Errorf("bearerTokenFile: %w", errFiles)
		}
		tree["authorization"] = node{"credentials_file": file}
	}
	if from := child(f, "oauth2"); from != nil {
		oauth2, err := g.oauth2(namespace, from)
		if err != nil {
			return fmt.Errorf("oauth2: %w", err)
		}
		tree["oauth2"] = oauth2
	}
	return nil
}

func (g *generator) oauth2(namespace string, from node) (node, error) {
	id, err := g.value(namespace, child(from, "clientId"))
	if err != nil {
		return nil, err
	}
	secret, err := g.secret(namespace, child(from, "clientSecret"))
	if err != nil {
		return nil, err
	}
	to := node{"client_id": id, "client_secret": secret, "token_url": from["tokenUrl"]}
	for key, name := range map[string]string{
		"scopes": "scopes", "endpointParams": "endpoint_params",
		"proxyUrl": "proxy_url", "noProxy": "no_proxy", "proxyFromEnvironment": "proxy_from_environment",
	} {
		if value := from[key]; value != nil {
			to[name] = value
		}
	}
	if t := child(from, "tlsConfig"); t != nil {
		if to["tls_config"], err = g.tls(namespace, t); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// tls writes certificates into the scrape config, so that collectors need no
// files for them.
func (g *generator) tls(namespace string, from node) (node, error) {
	to := node{}
	for key, name := range map[string]string{
		"serverName": "server_name", "insecureSkipVerify": "insecure_skip_verify",
		"minVersion": "min_version", "maxVersion": "max_version",
	} {
		if value := from[key]; value != nil && value != "" {
			to[name] = value
		}
	}
	for key, name := range map[string]string{"caFile": "ca_file", "certFile": "cert_file", "keyFile": "key_file"} {
		file := text(from, key)
		if file != "" && g.denyFiles {
			return nil, fmt.Errorf("%s: %w", key, errFiles)
		}
		if file != "" {
			to[name] = file
		}
	}
	for _, key := range []string{"ca", "cert"} {
		ref := child(from, key)
		if child(ref, "secret") == nil && child(ref, "configMap") == nil {
			continue
		}
		value, err := g.value(namespace, ref)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		to[key] = value
	}
	if ref := child(from, "keySecret"); ref != nil {
		value, err := g.secret(namespace, ref)
		if err != nil {
			return nil, fmt.Errorf("keySecret: %w", err)
		}
		to["key"] = value
	}
	return to, nil
}

// value is what a reference to a Secret or a ConfigMap refers to.
func (g *generator) value(namespace string, ref node) (string, error) {
	if c := child(ref, "configMap"); c != nil {
		return g.secrets("ConfigMap", namespace, text(c, "name"), text(c, "key"))
	}
	return g.secret(namespace, child(ref, "secret"))
}

func (g *generator) secret(namespace string, ref node) (string, error) {
	if text(ref, "name") == "" {
		return "", nil
	}
	return g.secrets("Secret", namespace, text(ref, "name"), text(ref, "key"))
}
