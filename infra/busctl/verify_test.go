package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/replica"
)

func TestCompare(t *testing.T) {
	source := func(version int64, body string) *document {
		return &document{ID: "x", Version: version, body: []byte(body)}
	}
	const body = `{"id":"x","version":3,"title":"a","price":49.5,"userId":"u"}`
	tests := []struct {
		name   string
		source *document
		mine   *replica.Item
		want   string
	}{
		{"neither has it", nil, nil, ""},
		{"equal", source(3, body), item(3, `{"title":"a","price":49.5,"userId":"u"}`), ""},
		{"equal, and the state has id and version", source(3, body), item(3, `{"id":"y","version":9,"title":"a","price":49.5,"userId":"u"}`), ""},
		{"equal, written otherwise", source(3, `{"title":"Tom & Jerry","price":12}`), item(3, `{"title":"Tom \u0026 Jerry","price":12.00}`), ""},
		{"older", source(3, body), item(2, `{"title":"a"}`), behind},
		{"missing", source(3, body), nil, behind},
		{"newer", source(3, body), item(4, `{"title":"a"}`), ahead},
		{"other title", source(3, body), item(3, `{"title":"b","price":49.5,"userId":"u"}`), otherContent},
		{"a field that only the replica has", source(3, body), item(3, `{"title":"a","price":49.5,"userId":"u","seat":1}`), otherContent},
		{"a field that only the source has", source(3, `{"title":"a","orderId":"o"}`), item(3, `{"title":"a"}`), otherContent},
		{"a nested field that only the source has", source(0, `{"ticket":{"id":"t","seat":1}}`), item(0, `{"ticket":{"id":"t"}}`), otherContent},
		{"a nested object that only the replica has", source(0, `{}`), item(0, `{"ticket":{"id":"t"}}`), otherContent},
		{"a field in an array that only the source has", source(0, `{"seats":[{"row":1}]}`), item(0, `{"seats":[{}]}`), otherContent},
		{"an array that is shorter", source(0, `{"seats":[0,0]}`), item(0, `{"seats":[0]}`), otherContent},
		{"a default that only the source has", source(0, `{"title":"a","seat":0,"vip":false,"note":"","tags":[]}`), item(0, `{"title":"a"}`), ""},
		{"a default that only the replica has", source(0, `{"title":"a"}`), item(0, `{"title":"a","seat":0,"order":{"id":"","at":null}}`), ""},
		{"a nested default", source(0, `{"seats":[{"row":1}]}`), item(0, `{"seats":[{"row":1,"vip":false}]}`), ""},
		{"nothing but defaults", source(0, `{"seat":0}`), item(0, `null`), ""},
		{"a state that is no object", source(0, `{}`), item(0, `[]`), otherContent},
		{"not there at the source", nil, item(3, `{}`), unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if d := compare("x", tt.source, tt.mine); d != nil {
				got = d.What
			}
			if got != tt.want {
				t.Errorf("difference is %q, want %q", got, tt.want)
			}
		})
	}
}

func item(version int64, state string) *replica.Item {
	var i replica.Item
	if err := json.Unmarshal(fmt.Appendf(nil, `{"version":%d,"state":%s}`, version, state), &i); err != nil {
		panic(err) // a mistake in a test's table
	}
	return &i
}

// post sends JSON as somebody with cookies, and returns the answer.
func post(t *testing.T, client *http.Client, url, body string) map[string]any {
	t.Helper()
	res, err := client.Post(url, "application/json", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode >= 300 {
		t.Fatalf("POST %s: %d, %v, %v", url, res.StatusCode, answer, err)
	}
	return answer
}

func TestVerifyResyncAndRebuildOfARunningSystem(t *testing.T) {
	gateway := startSystem(t)
	t.Setenv("BUSCTL_SOURCE", gateway+"/api/tickets?status=all")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	alice := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	post(t, alice, gateway+"/api/users/signup", `{"email":"alice@example.com","password":"secret"}`)
	var ids []string
	for i := range 3 {
		ids = append(ids, post(t, alice, gateway+"/api/tickets", fmt.Sprintf(`{"title":"ticket %d","price":%d}`, i, i+1))["id"].(string))
	}
	// given replicas that are as they should be
	if out := mustCall(t, "verify", "--within", "1m"); out != "3 compared, 0 differ\n" {
		t.Errorf("at first: %s", out)
	}
	// when one has another content, one is ahead, and another is of nothing that the source knows
	admin := os.Getenv("BUSCTL_ADMIN")
	spoil := func(id string, version int64) {
		post(t, alice, admin+"/replicas/ticket/resync",
			fmt.Sprintf(`{"id":%q,"version":%d,"title":"spoiled","price":1,"userId":"65a1b2c3d4e5f60718293a00"}`, id, version))
	}
	const stranger = "000000000000000000000001"
	spoil(ids[1], 0)
	spoil(ids[2], 2)
	spoil(stranger, 0)
	// then all are told, and the exit code says so
	code, out, stderr := callWith(t, strings.NewReader(""), "verify", "--json", "--within", "0s")
	zero, two := int64(0), int64(2)
	want := []difference{
		{ID: stranger, Replica: &zero, What: unknown}, {ID: ids[1], Source: &zero, Replica: &zero, What: otherContent},
		{ID: ids[2], Source: &zero, Replica: &two, What: ahead},
	}
	var got []difference
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || code != failed {
		t.Errorf("exit code %d, %s, differences (-want +got):\n%s", code, stderr, diff)
	}
	// and what can be mended is, and the exit code tells of the rest
	code, out, _ = callWith(t, strings.NewReader(""), "verify", "--resync", "--within", "0s")
	for _, line := range []string{"4 compared, 3 differ", ids[1] + ": resynced", ids[2] + ": resynced", stranger + ": the source has none"} {
		if !strings.Contains(out, line) || code != failed {
			t.Errorf("exit code %d; it lacks %q:\n%s", code, line, out)
		}
	}
	got = nil
	_, out, _ = callWith(t, strings.NewReader(""), "verify", "--resync", "--json", "--within", "0s")
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]difference{{ID: stranger, Replica: &zero, What: unknown, Outcome: hasNone}}, got); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	// and a rebuild from history would lose the stranger, of which there was no event: only if it is wanted
	if code, _, stderr := callWith(t, strings.NewReader(""), "rebuild"); code != failed || !strings.Contains(stderr, "no longer has the whole history") {
		t.Errorf("rebuild ended with %d: %s", code, stderr)
	}
	if out := mustCall(t, "rebuild", "--anyway"); !strings.HasPrefix(out, "rebuilt as generation 3 in ") {
		t.Errorf("rebuild --anyway says %s", out)
	}
	if out := mustCall(t, "verify", "--within", "1m"); out != "3 compared, 0 differ\n" {
		t.Errorf("in the end: %s", out)
	}
}
