package main

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// bareWrite is the write path again, beside the least that HTTP adds to its two writes: a bare net/http handler
// that reads the same requests of the same clients and makes the same two writes before it answers. It checks no
// session, decides nothing and publishes nothing. Where its own rate beside that of the store alone is below what
// the write path is to reach, no service can reach it on such a machine.
func bareWrite(s sizes) measurement {
	return measurement{
		name: "bare write path",
		rows: []row{{name: "write path, beside bare net/http with the same two writes", unit: "requests/s"}},
		prepare: func(_ context.Context, env *environment) (value, reference probe, err error) {
			w := &writers{env: env, clients: s.clients, writes: s.posts}
			return firstOf(w.overHTTP), firstOf(w.overBareHTTP), nil
		},
	}
}

// firstOf keeps the first number of a probe, the rate.
func firstOf(p probe) probe {
	return func(ctx context.Context) ([]float64, error) {
		numbers, err := p(ctx)
		if err != nil {
			return nil, err
		}
		return numbers[:1], nil
	}
}

func (w *writers) overBareHTTP(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	records, err := w.env.records(ctx, &until, "reference")
	if err != nil {
		return nil, err
	}
	addr, err := serveBare(ctx, &until, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err = errors.Join(err, writeTwice(r.Context(), records)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("{}")) // a client that is gone has failed already
	})
	if err != nil {
		return nil, err
	}
	return w.postTo(ctx, &until, addr)
}
