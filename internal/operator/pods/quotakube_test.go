package pods

import (
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cachedQuota waits until the manager's cache has what the API server says of a
// quota.
func (c *cluster) cachedQuota(namespace string) {
	c.t.Helper()
	var live corev1.ResourceQuotaList
	if err := c.client.List(c.ctx, &live, client.InNamespace(namespace)); err != nil {
		c.t.Fatal(err)
	}
	informer, err := c.mgr.GetCache().GetInformer(c.ctx, new(corev1.ResourceQuota))
	if err != nil {
		c.t.Fatal(err)
	}
	seen := make(chan struct{}, 1)
	at := func(o any) {
		if q, ok := o.(*corev1.ResourceQuota); ok && q.Namespace == namespace && q.ResourceVersion >= live.Items[0].ResourceVersion {
			select {
			case seen <- struct{}{}:
			default:
			}
		}
	}
	handle, err := informer.AddEventHandler(handlers{at})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if err := informer.RemoveEventHandler(handle); err != nil {
			c.t.Error(err)
		}
	}()
	select {
	case <-seen:
	case <-c.ctx.Done():
		c.t.Fatal("the cache does not learn of the quota")
	}
}

// handlers tells of every object that is added or changed.
type handlers struct{ at func(any) }

func (h handlers) OnAdd(o any, _ bool) { h.at(o) }
func (h handlers) OnUpdate(_, o any)   { h.at(o) }
func (h handlers) OnDelete(any)        {}
