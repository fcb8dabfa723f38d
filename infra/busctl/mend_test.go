package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	idA = "65a1b2c3d4e5f6071829300a"
	idB = "65a1b2c3d4e5f6071829300b"
)

// fragile is a source that has a and b, and a service that has neither replica and whose store is away for a.
type fragile struct {
	mu    sync.Mutex
	has   map[string]bool
	whole bool // it has both replicas
	blind bool // it shows no replica any more once it has changed one
	asked []string
	// forgotten is the loss that it was told is mended.
	forgotten string
}

func (f *fragile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ticket := func(id string) string { return fmt.Sprintf(`{"id":%q,"version":0,"title":"concert"}`, id) }
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	body, _ := io.ReadAll(r.Body)
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	switch {
	case r.URL.Path == "/api/tickets":
		fmt.Fprintf(w, "[%s,%s]", ticket(idA), ticket(idB))
	case strings.HasPrefix(r.URL.Path, "/api/tickets/"):
		fmt.Fprint(w, ticket(id))
	case r.URL.Path == "/replicas/ticket":
		fmt.Fprint(w, "[]")
	case r.URL.Path == "/replicas/ticket/loss":
		fmt.Fprint(w, `{"events":3,"since":"2026-01-02T03:04:05Z"}`)
	case r.URL.Path == "/replicas/ticket/mended":
		f.forgotten = string(body)
	case id == "resync" && strings.Contains(string(body), idA):
		w.WriteHeader(http.StatusServiceUnavailable)
	case id == "resync":
		f.has[idB] = true
		fmt.Fprint(w, `{"changed":true}`)
	case f.blind && len(f.has) > 0:
		w.WriteHeader(http.StatusInternalServerError)
	case f.has[id] || f.whole:
		fmt.Fprintf(w, `{"id":%q,"version":0,"state":{"title":"concert"}}`, id)
	default:
		http.NotFound(w, r)
	}
}

// One entity that cannot be mended must not keep the others waiting, and is told with its reason.
func TestResyncGoesOnBehindAFailure(t *testing.T) {
	places := &fragile{has: map[string]bool{}}
	server := httptest.NewServer(places)
	t.Cleanup(server.Close)
	code, out, stderr := callWith(t, strings.NewReader(""),
		"verify", "--resync", "--json", "--within", "0s", "--source", server.URL+"/api/tickets", "--admin", server.URL)
	var got []difference
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	zero := int64(0)
	want := []difference{
		{ID: idA, Source: &zero, What: behind, Outcome: server.URL + "/replicas/ticket/resync answers 503"},
		{ID: idB, Source: &zero, What: behind, Outcome: resynced},
	}
	if diff := cmp.Diff(want, got); diff != "" || code != failed || !strings.Contains(stderr, errDiffers.Error()) {
		t.Errorf("exit code %d, %s, outcomes (-want +got):\n%s", code, stderr, diff)
	}
	// and what was lost is not forgotten before all is mended
	for _, request := range places.asked {
		if strings.HasSuffix(request, "/mended") {
			t.Errorf("asked for %s", request)
		}
	}
}

// Only the loss that was known before the comparison is forgotten: more may be lost while it goes on.
func TestResyncForgetsTheLossThatWasKnown(t *testing.T) {
	places := &fragile{has: map[string]bool{}, whole: true}
	server := httptest.NewServer(places)
	t.Cleanup(server.Close)
	mustCall(t, "verify", "--resync", "--within", "0s", "--source", server.URL+"/api/tickets", "--admin", server.URL)
	if want := `{"events":3,"since":"2026-01-02T03:04:05Z"}`; places.forgotten != want {
		t.Errorf("forgotten is %s, want %s", places.forgotten, want)
	}
	if first := places.asked[0]; first != "GET /replicas/ticket/loss" {
		t.Errorf("it first asked for %s", first)
	}
}

// What was done is told also where it cannot be looked at again.
func TestResyncTellsWhatItDidBeforeAFailure(t *testing.T) {
	server := httptest.NewServer(&fragile{has: map[string]bool{}, blind: true})
	t.Cleanup(server.Close)
	code, out, stderr := callWith(t, strings.NewReader(""),
		"verify", "--resync", "--within", "0s", "--source", server.URL+"/api/tickets", "--admin", server.URL)
	if code != failed || !strings.Contains(out, idB+": "+resynced) || !strings.Contains(stderr, "answers 500") {
		t.Errorf("exit code %d, %s, it says\n%s", code, stderr, out)
	}
}

func TestNoDifferenceIsAnEmptyArray(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }))
	t.Cleanup(server.Close)
	out := mustCall(t, "verify", "--json", "--within", "0s", "--source", server.URL, "--admin", server.URL)
	if out != "[]\n" {
		t.Errorf("it says %q", out)
	}
}
