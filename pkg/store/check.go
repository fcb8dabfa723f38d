package store

import (
	"errors"
	"fmt"
	"slices"
)

// Check reports what is wrong with a spec. Adapters call it before they open a collection.
func (s Spec) Check() error {
	if s.Name == "" {
		return errors.New("a collection needs a name")
	}
	for _, c := range s.Name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("collection %q: a name has only lower-case letters, digits and '-'", s.Name)
		}
	}
	if slices.Contains(s.Indexes, "") {
		return fmt.Errorf("collection %s: an index needs a name", s.Name)
	}
	return nil
}

// CheckWrite reports what is wrong with a write to a collection of this spec, whatever is stored. It
// is none of the errors of a store: the caller is at fault, and trying again does not help.
func (s Spec) CheckWrite(w Write) error {
	if w.ID == "" {
		return errors.New("a record needs an id")
	}
	if w.Revision < 0 {
		return fmt.Errorf("revision %d is below 0", w.Revision)
	}
	for name := range w.Index {
		if !slices.Contains(s.Indexes, name) {
			return fmt.Errorf("collection %s has no index %q", s.Name, name)
		}
	}
	return nil
}

// CheckQuery reports what is wrong with a query of a collection of this spec, as CheckWrite does.
func (s Spec) CheckQuery(q Query) error {
	if q.Index != "" && !slices.Contains(s.Indexes, q.Index) {
		return fmt.Errorf("collection %s has no index %q", s.Name, q.Index)
	}
	return CheckLimit(q.Limit)
}

// CheckLimit reports a page size that is too small.
func CheckLimit(limit int) error {
	if limit < 1 {
		return fmt.Errorf("limit %d is below 1", limit)
	}
	return nil
}
