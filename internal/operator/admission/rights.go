package admission

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/signalbox-otel/signalbox/internal/render"
)

// granting are facts with which plans say what they need, also where the operator
// may not grant it.
func granting(facts render.Facts) render.Facts {
	facts.RBAC = true
	return facts
}

// checkRights looks at the rights in plans that were rendered with granting: they
// are granted, or must be there.
func (h *hooks) checkRights(ctx context.Context, req admission.Request, facts render.Facts, v *verdict, plans ...render.Plan) {
	if facts.RBAC {
		h.checkGrants(ctx, req.Namespace, req.UserInfo, plans, v)
	} else {
		h.checkHeld(ctx, req.Namespace, plans, v)
	}
}

// checkGrants refuses resources with which somebody would get what he may not:
// the operator grants what a configuration needs, so who writes it must have
// that, unless the account has it already. The operator itself passes on what
// others were asked about.
func (h *hooks) checkGrants(ctx context.Context, namespace string, user authenticationv1.UserInfo, plans []render.Plan, v *verdict) {
	if h.User != "" && user.Username == h.User {
		return
	}
	asking := subject{user: user.Username, uid: user.UID, groups: user.Groups}
	for key, value := range user.Extra {
		if asking.extra == nil {
			asking.extra = map[string]authorizationv1.ExtraValue{}
		}
		asking.extra[key] = authorizationv1.ExtraValue(value)
	}
	for account, needed := range byAccount(plans) {
		missing, err := h.authorizer.lacks(ctx, asking, needed)
		if err == nil {
			missing, err = h.authorizer.lacks(ctx, serviceAccount(namespace, account), missing)
		}
		if err != nil {
			v.refuse("spec", "nobody could say whether you may grant what this needs: %v", err)
			continue
		}
		if len(missing) > 0 {
			v.refuse("spec", "it needs rights that neither you nor service account %s have, so that you cannot grant them: %s", account, summary(missing))
		}
	}
}

// checkHeld warns of rights that accounts need and do not have, where the
// operator may not grant them.
func (h *hooks) checkHeld(ctx context.Context, namespace string, plans []render.Plan, v *verdict) {
	for account, needed := range byAccount(plans) {
		missing, err := h.authorizer.lacks(ctx, serviceAccount(namespace, account), needed)
		if err != nil {
			v.warn("spec.serviceAccount", "nobody could say what account %s may do: %v", account, err)
			continue
		}
		if len(missing) > 0 {
			v.warn("spec.serviceAccount", "the operator may not grant rights, and account %s lacks: %s", account, summary(missing))
		}
	}
}

// byAccount are the single things that plans let accounts do.
func byAccount(plans []render.Plan) map[string][]grant {
	all := map[string][]grant{}
	for _, p := range plans {
		for _, g := range p.Grants() {
			for _, rule := range g.Rules {
				all[g.Account] = append(all[g.Account], grants(g.Namespace, rule)...)
			}
		}
	}
	for account, list := range all {
		all[account] = distinct(list)
	}
	return all
}

func distinct(list []grant) []grant {
	seen := map[grant]bool{}
	return slices.DeleteFunc(list, func(g grant) bool {
		again := seen[g]
		seen[g] = true
		return again
	})
}

// summary says what is missing as people would grant it: get, list, watch pods;
// get nodes/stats.
func summary(missing []grant) string {
	var objects []string
	verbs := map[string][]string{}
	for _, g := range missing {
		text := strings.TrimPrefix(g.String(), g.verb+" ")
		if g.namespace != "" {
			text += " in namespace " + g.namespace
		}
		if verbs[text] == nil {
			objects = append(objects, text)
		}
		verbs[text] = append(verbs[text], g.verb)
	}
	// Objects with the same verbs share them.
	var order []string
	together := map[string][]string{}
	for _, o := range objects {
		key := strings.Join(verbs[o], ", ")
		if together[key] == nil {
			order = append(order, key)
		}
		together[key] = append(together[key], o)
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(len(together[b]), len(together[a])) })
	parts := make([]string, len(order))
	for i, key := range order {
		parts[i] = fmt.Sprintf("%s %s", key, strings.Join(together[key], ", "))
	}
	return strings.Join(parts, "; ")
}
