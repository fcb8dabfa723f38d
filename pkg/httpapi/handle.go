package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// Handler answers a request, or returns an error and has written nothing yet.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Handle makes an http.HandlerFunc of h: an error that h returns becomes a problem document with its
// status. A fault of the client is logged at debug and a store that is away at warn. An error that the
// table does not know is a defect, logged at error. Of the last two the client learns only the status.
func Handle(log *slog.Logger, h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		problem := newProblem(err)
		log.LogAttrs(r.Context(), levelOf(problem.Status, err), "request refused",
			slog.String("method", r.Method),
			slog.String("path", r.URL.Path),
			slog.Int("status", problem.Status),
			slog.String("error", err.Error()))
		problem.write(w)
	}
}

func levelOf(status int, err error) slog.Level {
	switch {
	case errors.Is(err, context.Canceled): // the client has gone
		return slog.LevelDebug
	case status == http.StatusServiceUnavailable:
		return slog.LevelWarn
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	}
	return slog.LevelDebug
}

// WriteJSON answers with v as JSON. It returns an error only where v cannot be encoded, and has then
// written nothing; a client that has gone is no error. Text is written as it is: no HTML escapes.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // fails only where the client has gone
	return nil
}
