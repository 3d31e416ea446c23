package app

import "testing"

func TestIsLogQL(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if got := isLogQL(text); got != want {
			t.Errorf("isLogQL(%s): got %v; want %v", text, got, want)
		}
	}
	f(`{service_name="shop"}`, true)
	f(`{ service_name =~ ".+" } |= "x"`, true)
	f("{job=`mail`} | json", true)
	f(`{service_name="shop"} |= oops`, true)
	f(`{job="mail"}`, false) // an attribute of that name: the same
	f(`{ resource.service.name = "shop" }`, false)
	f(`{ severity >= warn }`, false)
	f(`service_name="shop"`, false)
	f(`"out of stock"`, false)
}
