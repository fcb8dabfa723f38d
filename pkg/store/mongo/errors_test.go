package mongo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"ticketing/pkg/store"
)

// Every error of the driver is either a refusal of the request, the end of the context, or a store
// that is away. Only the first speaks about the record.
func TestPortError(t *testing.T) {
	refusal := driver.CommandError{Code: 121, Message: "document failed validation"}
	network := driver.CommandError{Message: "connection reset", Labels: []string{"NetworkError"}}
	live := context.Background()
	ended, cancel := context.WithCancel(live)
	cancel()

	tests := map[string]struct {
		ctx  context.Context
		err  error
		want error // nil: a plain error
	}{
		"refused":                        {live, refusal, nil},
		"refused, one write":             {live, driver.WriteException{WriteErrors: []driver.WriteError{{Code: 17419}}}, nil},
		"refused, in a bulk":             {live, driver.BulkWriteException{WriteErrors: []driver.BulkWriteError{{WriteError: driver.WriteError{Code: 2}}}}, nil},
		"refused, and then the ctx ends": {ended, refusal, nil},
		"network":                        {live, network, store.ErrUnavailable},
		"network, as the ctx ended":      {ended, network, context.Canceled},
		"no server in time":              {live, fmt.Errorf("server selection: %w", context.DeadlineExceeded), store.ErrUnavailable},
		"client closed":                  {live, driver.ErrClientDisconnected, store.ErrUnavailable},
		"not an error of a server":       {live, io.ErrUnexpectedEOF, store.ErrUnavailable},
		"the driver's own, as a command": {live, driver.CommandError{Message: "malformed reply"}, store.ErrUnavailable},
		"not the primary":                {live, driver.CommandError{Code: 10107}, store.ErrUnavailable},
		"to be repeated, by its label":   {live, driver.CommandError{Code: 999, Labels: []string{"RetryableWriteError"}}, store.ErrUnavailable},
		"one write not durable":          {live, driver.WriteException{WriteConcernError: &driver.WriteConcernError{Code: 2}}, store.ErrUnavailable},
		"bulk refused and not durable": {live, driver.BulkWriteException{
			WriteErrors:       []driver.BulkWriteError{{WriteError: driver.WriteError{Code: 2}}},
			WriteConcernError: &driver.WriteConcernError{Code: 2},
		}, store.ErrUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := portError(test.ctx, "put", test.err)
			if got == nil {
				t.Fatal("the error is lost")
			}
			for _, known := range []error{store.ErrUnavailable, context.Canceled} {
				if errors.Is(got, known) != (known == test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
	if err := portError(ended, "put", nil); err != nil {
		t.Errorf("success became %v", err)
	}
}

// A refusal counts only where it is certain what became of the write.
func TestRefusedDuplicate(t *testing.T) {
	taken := driver.WriteError{Index: 3, Code: 11000}
	other := driver.WriteError{Index: 1, Code: 121}
	inBulk := []driver.BulkWriteError{{WriteError: other}, {WriteError: taken}}
	doubt := &driver.WriteConcernError{Code: 64}
	tests := map[string]struct {
		err  error
		want int // -1: none
	}{
		"success":                   {nil, -1},
		"one":                       {driver.WriteException{WriteErrors: driver.WriteErrors{taken}}, 3},
		"one of a bulk":             {driver.BulkWriteException{WriteErrors: inBulk}, 3},
		"another refusal":           {driver.WriteException{WriteErrors: driver.WriteErrors{other}}, -1},
		"of a bulk in doubt":        {driver.BulkWriteException{WriteErrors: inBulk, WriteConcernError: doubt}, -1},
		"not an answer of a server": {io.EOF, -1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			index, refusal, found := refusedDuplicate(test.err)
			if !found {
				index = -1
			}
			if index != test.want || found && refusal.Code != codeDuplicateKey {
				t.Errorf("got %d, %v, want %d", index, refusal, test.want)
			}
		})
	}
}
