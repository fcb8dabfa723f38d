package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/fault"
)

func TestKindOfLooksThroughWrapping(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"nil", nil, 0},
		{"not a fault", errors.New("disk on fire"), 0},
		{"a fault", fault.New(fault.Conflict, "ticket is reserved"), fault.Conflict},
		{"wrapped", fmt.Errorf("order: %w", fault.New(fault.NotFound, "no such ticket")), fault.NotFound},
		{"joined", errors.Join(errors.New("other"), fault.InvalidField("price", "must be a number")), fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fault.KindOf(tt.err); got != tt.want {
				t.Errorf("KindOf(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

func TestJoinCollectsInvalidFields(t *testing.T) {
	title := fault.InvalidField("title", "must not be empty")
	price := fault.InvalidField("price", "must be greater than 0")
	forbidden := fault.New(fault.Forbidden, "not yours")
	failure := errors.New("disk on fire")

	if err := fault.Join(nil, nil); err != nil {
		t.Errorf("Join of nothing = %v, want nil", err)
	}
	var got *fault.Error
	if err := fault.Join(title, nil, fmt.Errorf("rule: %w", price)); !errors.As(err, &got) {
		t.Fatalf("Join = %v, want a fault", err)
	}
	want := &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
		{Message: "must not be empty", Field: "title"},
		{Message: "must be greater than 0", Field: "price"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Join (-want +got):\n%s", diff)
	}
	if err := fault.Join(title, forbidden); err != forbidden {
		t.Errorf("Join(invalid, forbidden) = %v, want forbidden as it is", err)
	}
	if err := fault.Join(title, failure, forbidden); err != failure {
		t.Errorf("Join(invalid, failure, forbidden) = %v, want the failure as it is", err)
	}
}

func TestErrorSaysAllInOneLine(t *testing.T) {
	err := fault.Join(fault.InvalidField("title", "must not be empty"), fault.New(fault.Invalid, "nothing given"))
	if got, want := err.Error(), "invalid: title: must not be empty; nothing given"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
