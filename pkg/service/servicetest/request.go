package servicetest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"ticketing/pkg/httpapi"
)

// JSON is the media type of good bodies.
const JSON = "application/json"

// Request is a request as it goes over the wire.
type Request struct {
	// Line is method and target: "PUT /api/tickets/7".
	Line string
	// Session is the value of the session cookie; empty for somebody who is not signed in.
	Session string
	// IfMatch, Media, the content type, and IdempotencyKey are left out where they are empty.
	IfMatch        string
	Media          string
	IdempotencyKey string
	Body           string
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	// Body is without the line feed at its end.
	Body string
}

// Send sends a request exactly as it is, which a client of net/http would not: it cleans up paths. It may
// be called concurrently.
func (s *Server) Send(r Request) (Answer, error) {
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, r.text()) // the server may answer, and stop reading, before all is sent
	method, _, _ := strings.Cut(r.Line, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", r.Line, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", r.Line, err)
	}
	return Answer{answer.StatusCode, answer.Header, strings.TrimSuffix(string(body), "\n")}, nil
}

func (r Request) text() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s HTTP/1.1\r\nHost: local\r\nConnection: close\r\nContent-Length: %d\r\n", r.Line, len(r.Body))
	for _, header := range []struct{ name, value string }{
		{"Content-Type", r.Media}, {"If-Match", r.IfMatch}, {"Cookie", cookie(r.Session)},
		{"Idempotency-Key", r.IdempotencyKey},
	} {
		if header.value != "" {
			text.WriteString(header.name + ": " + header.value + "\r\n")
		}
	}
	return text.String() + "\r\n" + r.Body
}

// MustSend is Send for the goroutine of the test.
func (s *Server) MustSend(t testing.TB, r Request) Answer {
	t.Helper()
	answer, err := s.Send(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Expect sends a request whose answer must have this status.
func (s *Server) Expect(t testing.TB, r Request, status int) Answer {
	t.Helper()
	answer := s.MustSend(t, r)
	if answer.Status != status {
		t.Fatalf("%s %s = %d %s, want %d", r.Line, r.Body, answer.Status, answer.Body, status)
	}
	return answer
}

// Decode reads the body of an answer as a T.
func Decode[T any](t testing.TB, a Answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	return v
}

// CheckProblem finds that an answer is the problem document of a status, that its first error names the
// field (none where it is empty), and that it has no header of a success.
func (a Answer) CheckProblem(t testing.TB, status int, field string) {
	t.Helper()
	if a.Status != status || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("answer = %d %s %.300s, want %d and a problem", a.Status, a.Header.Get("Content-Type"), a.Body, status)
	}
	p := Decode[httpapi.Problem](t, a)
	if p.Status != status || p.Title != http.StatusText(status) || p.Detail == "" {
		t.Errorf("problem = %+v, want one of status %d", p, status)
	}
	if len(p.Errors) == 0 || p.Errors[0].Field != field || p.Errors[0].Message == "" {
		t.Errorf("errors = %+v, want one about field %q", p.Errors, field)
	}
	for _, name := range []string{"ETag", "Link", "Location", "Set-Cookie"} {
		if value := a.Header.Get(name); value != "" {
			t.Errorf("%s = %s", name, value)
		}
	}
}

// CheckSame finds that an answer is the first one again, with all that is the client's to use.
func CheckSame(t testing.TB, first, again Answer) {
	t.Helper()
	if again.Status != first.Status || again.Body != first.Body {
		t.Fatalf("the repeat = %d %s, the first = %d %s", again.Status, again.Body, first.Status, first.Body)
	}
	for _, name := range []string{"ETag", "Location", "Content-Type"} {
		if got, want := again.Header.Get(name), first.Header.Get(name); got != want || want == "" {
			t.Errorf("%s = %q, in the first answer %q", name, got, want)
		}
	}
}

// AllPages reads a list from target on, page by page as the Link headers lead, and returns the elements of
// each page as they came.
func (s *Server) AllPages(t testing.TB, target, session string) [][]string {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	var pages [][]string
	for target != "" {
		answer := s.Expect(t, Request{Line: "GET " + target, Session: session}, http.StatusOK)
		var page []string
		for _, element := range Decode[[]json.RawMessage](t, answer) {
			page = append(page, string(element))
		}
		pages = append(pages, page)
		target = ""
		if link := answer.Header.Get("Link"); link != "" {
			query, found := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			if !found {
				t.Fatalf("Link = %s", link)
			}
			target = path + query
		}
	}
	return pages
}
