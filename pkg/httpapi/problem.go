package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ticketing/pkg/fault"
	"ticketing/pkg/store"
)

// retryAfter is how long a client has to wait after 429 and 503, where the error does not say.
const retryAfter = 2 * time.Second

// Problem is the body of every answer that is not a success: an RFC 9457 document that also carries
// the list the Node version of the system answers with.
type Problem struct {
	// Type is "about:blank": the status says it all, as RFC 9457 puts it.
	Type string `json:"type"`
	// Title is the text of the status.
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is all messages in one line.
	Detail string `json:"detail"`
	// Errors has at least one element.
	Errors []ProblemError `json:"errors"`
	// RetryAfter is told in a header, with 429 and 503; 0 stands for two seconds.
	RetryAfter time.Duration `json:"-"`
}

// ProblemError is one thing that is wrong; Field names the field of the request it is about, if any.
type ProblemError struct {
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
}

// errMethod refuses a method that a path does not have.
var errMethod = errors.New("method not allowed")

// StatusOf returns the status that an error stands for.
func StatusOf(err error) int {
	status, _ := statusOf(err)
	return status
}

// statusOf is the one table from an error to a status. For a fault the message is empty, as its own
// details are meant for the client; the text of any other error is not.
func statusOf(err error) (status int, message string) {
	switch {
	case fault.KindOf(err) != 0:
		return statusOfKind(fault.KindOf(err)), ""
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed, errMethod.Error()
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound, "not found"
	case errors.Is(err, store.ErrConflict):
		return http.StatusConflict, "was changed by others at the same time, try again"
	case errors.Is(err, store.ErrUnavailable),
		errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "temporarily unavailable, try again"
	}
	return http.StatusInternalServerError, "something went wrong"
}

func statusOfKind(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Stale:
		return http.StatusPreconditionFailed
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unsupported:
		return http.StatusUnsupportedMediaType
	case fault.Reused:
		return http.StatusUnprocessableEntity
	case fault.TooMany:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// newProblem describes err to a client. Only a fault's own texts pass through.
func newProblem(err error) Problem {
	status, message := statusOf(err)
	errs := []ProblemError{{Message: message}}
	var wait time.Duration
	var f *fault.Error
	if errors.As(err, &f) && len(f.Details) > 0 {
		errs, wait = errs[:0], f.RetryAfter
		for _, d := range f.Details {
			errs = append(errs, ProblemError{Message: d.Message, Field: d.Field})
		}
	}
	problem := problemOf(status, errs)
	problem.RetryAfter = wait
	return problem
}

func problemOf(status int, errs []ProblemError) Problem {
	lines := make([]string, len(errs))
	for i, e := range errs {
		lines[i] = e.Message
		if e.Field != "" {
			lines[i] = e.Field + ": " + e.Message
		}
	}
	return Problem{
		Type:   "about:blank",
		Title:  http.StatusText(status),
		Status: status,
		Detail: strings.Join(lines, "; "),
		Errors: errs,
	}
}

// WriteProblem answers with the problem document that err stands for and logs nothing: for middleware
// whose errors are the client's. Handlers return their error instead. The connection stays usable.
func WriteProblem(w http.ResponseWriter, err error) {
	newProblem(err).write(w)
}

func (p Problem) write(w http.ResponseWriter) {
	header := w.Header()
	switch p.Status {
	case http.StatusUnauthorized:
		// A 401 must name a scheme (RFC 9110, 15.5.2); the session cookie has no registered one.
		header.Set("WWW-Authenticate", `Cookie realm="ticketing"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", wholeSeconds(cmp.Or(p.RetryAfter, retryAfter)))
	}
	// What a handler had prepared for its success does not describe this answer.
	for _, name := range []string{"ETag", "Link", "Location", "Content-Length"} {
		header.Del(name)
	}
	header.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(p) // fails only where the client has gone
}

// wholeSeconds rounds up: who comes back after them has waited long enough.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
