package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A second of each loop against the whole system: everything is answered as the API promises.
func TestTheSystemUnderALittleLoad(t *testing.T) {
	for _, mode := range []string{modeOpen, modeClosed} {
		t.Run(mode, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "load.json")
			var table, progress bytes.Buffer
			err := run(t.Context(), []string{"-mode", mode, "-rate", "30", "-clients", "3", "-duration", "1s", "-json", file}, &table, &progress)
			if err != nil {
				t.Fatalf("%v\n%s", err, progress.String())
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var r report
			if err := json.Unmarshal(data, &r); err != nil {
				t.Fatal(err)
			}
			if len(r.Steps) != 1 || !r.Steps[0].Embedded || r.Steps[0].Expected == 0 || r.Steps[0].P50 <= 0 || r.Steps[0].CPU <= 0 {
				t.Errorf("the report is\n%s", data)
			}
			if !strings.Contains(table.String(), "ACHIEVED") {
				t.Errorf("the table is\n%s", table.String())
			}
		})
	}
}

// gateway answers like the API, in an instant; reads with the status of the test.
func gateway(t *testing.T, readStatus int) (url string) {
	var made atomic.Int64
	mux := http.NewServeMux()
	create := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":"%024x"}`, made.Add(1))
	}
	mux.HandleFunc("POST /api/users/signup", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "abc"})
		create(w, r)
	})
	mux.HandleFunc("POST /api/tickets", create)
	mux.HandleFunc("POST /api/orders", create)
	mux.HandleFunc("PUT /api/tickets/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /api/tickets/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(readStatus) })
	mux.HandleFunc("DELETE /api/orders/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnUnexpectedAnswerFailsTheRun(t *testing.T) {
	url := gateway(t, http.StatusInternalServerError)
	var table, progress bytes.Buffer
	err := run(t.Context(), []string{"-target", url, "-mode", "open", "-rate", "50", "-duration", "1s"}, &table, &progress)
	if err == nil || !strings.Contains(err.Error(), "answered 500") {
		t.Errorf("the run ended with %v", err)
	}
	if !strings.Contains(table.String(), "ACHIEVED") {
		t.Errorf("the table is\n%s", table.String())
	}
}

// A 503 is the system's way to say that it is saturated: the ramp ends, after a second try, and the run succeeds.
func TestTheRampEndsWhereTheSystemRefuses(t *testing.T) {
	url := gateway(t, http.StatusServiceUnavailable)
	var table, progress bytes.Buffer
	err := run(t.Context(), []string{"-target", url, "-rate", "50", "-duration", "1s"}, &table, &progress)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(table.String(), "\n"); lines != 2+2+2 {
		t.Errorf("the table has not two steps and a verdict:\n%s", table.String())
	}
	if !strings.Contains(table.String(), "refused with 503") || !strings.Contains(table.String(), "at its limit first: unknown") {
		t.Errorf("the table is\n%s", table.String())
	}
}

func TestProgressTellsOfTheSecond(t *testing.T) {
	rec := newRecorder()
	for range 3 {
		rec.sent()
	}
	rec.answered(expected, 2_000_000)
	rec.answered(refused, 1_000_000)
	rec.drop()
	var line bytes.Buffer
	recent, inFlight := rec.look()
	printProgress(&line, 2, 100, recent, inFlight)
	want := "step 2, 100/s: sent 3, answered 2, p50 1.0 ms, p99 2.0 ms, in flight 1, errors 1, dropped 1\n"
	if line.String() != want {
		t.Errorf("the line is %q, want %q", line.String(), want)
	}
	if recent, _ := rec.look(); recent.Sent != 0 || recent.latency.TotalCount() != 0 {
		t.Error("the next second begins with what the last one had")
	}
}
